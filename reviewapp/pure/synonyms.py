"""Words that may stand for each other in a question, for graded edits.

Plain English words whose meaning hardly depends on their neighbours. No thesaurus: one that is large
enough to be useful also offers words that change what is asked, and an edit must not.
"""

from __future__ import annotations

from typing import Final

_PAIRS: Final = """
answer reply; ask enquire; begin start; big large; brief short; build construct; buy purchase;
change alter; choose select; client customer; collect gather; complete finish; correct right; create make;
decide determine; describe depict; difficult hard; discuss debate; easy simple; end finish; enough sufficient;
entire whole; error mistake; example instance; explain clarify; fast quick; find locate; fix repair;
get obtain; give provide; good fine; happen occur; help assist; important significant; improve better;
include contain; info information; job task; keep retain; last final; list enumerate; maybe perhaps;
method way; money funds; mostly mainly; need require; new recent; often frequently;
part piece; picture image; place location; please kindly;
problem issue; quickly rapidly; reason cause; receive get; refund reimbursement;
result outcome; see view; send dispatch; show display; small little; soon shortly;
speak talk; start begin; stop halt; story tale; summary overview; sure certain; tell inform; text passage;
think believe; total sum; travel journey; try attempt; understand grasp; use employ;
useful helpful; usually normally; whole entire; word term; write compose; wrong incorrect
"""


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in _PAIRS.replace("\n", " ").split(";"):
        word, other = pair.split()
        found.setdefault(word, other)
        found.setdefault(other, word)
    return found


SYNONYMS: Final = _table()
