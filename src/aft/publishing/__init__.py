"""From a run or an export to a repository of the Hugging Face Hub: what is sent, and the card that says what it is."""

from aft.publishing._prepare import Publication as Publication
from aft.publishing._prepare import prepare as prepare
from aft.publishing._push import push as push
