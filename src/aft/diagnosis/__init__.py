"""What ``aft doctor`` looks at: packages, devices, disks and the hub, and how to mend what is wrong with them."""

from aft.diagnosis._examine import examine as examine
from aft.diagnosis._finding import Finding as Finding
