"""Watch: what the recorded answers say about the backends behind them.

It pulls what was recorded, and nothing calls it from the left.
"""

from reviewapp.stages.watch.deciding import accept, overlap, put_back, retire, settle
from reviewapp.stages.watch.pools import pull, rebuild

__all__ = ["accept", "overlap", "pull", "put_back", "rebuild", "retire", "settle"]
