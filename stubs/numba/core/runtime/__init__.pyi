"""What thinc_nb uses."""

from .nrt import rtsys as rtsys
