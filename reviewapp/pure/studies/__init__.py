"""What studies show: how far a prompt may drift, how much a seed determines, how conditions compare."""

from reviewapp.pure.studies.deviation import Deviation, OfKind, Tolerance, Trial, deviation
from reviewapp.pure.studies.seeds import Determination, determination
from reviewapp.pure.studies.shares import Share, share, similarity

__all__ = [
    "Determination",
    "Deviation",
    "OfKind",
    "Share",
    "Tolerance",
    "Trial",
    "determination",
    "deviation",
    "share",
    "similarity",
]
