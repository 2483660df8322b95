"""What a user would try first: linear models that need no student, to compare students with.

`TfidfModel` is a linear model on words and pairs of words, fitted on labels or on a teacher's soft labels.
"""

from aft.baselines._linear import ABSENT as ABSENT
from aft.baselines._linear import PENALTIES as PENALTIES
from aft.baselines._linear import choose_penalty as choose_penalty
from aft.baselines._linear import fit_linear as fit_linear
from aft.baselines._tfidf import TfidfModel as TfidfModel
from aft.baselines._tfidf import choose_tfidf as choose_tfidf
from aft.baselines._tfidf import fit_tfidf as fit_tfidf
from aft.baselines._tfidf import tfidf_error as tfidf_error
