"""What of the project can be used on this machine, and what to do about the rest."""

from hyperseg_tf.installation.examine import examine
from hyperseg_tf.installation.finding import Finding

__all__ = ["Finding", "examine"]
