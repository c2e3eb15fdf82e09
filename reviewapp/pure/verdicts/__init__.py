"""Is it the backend, or is it noise? The verdict of one comparison, and of several attempts together.

    compare(original, attempt, context=Evidence(...)) -> Verdict
    summarise(original, attempts, context=Evidence(...)) -> SetVerdict

A verdict says no more than its evidence carries. What could not be measured never counts as a
difference, an error never counts as an answer, and where one comparison cannot decide the
verdict is inconclusive and says what would settle it. The reasons for each bound stand in
`noise`, the order of the rules in `single` and `sets`; docs/decisions/verdict-thresholds.md
has the measurements.
"""

from __future__ import annotations

from reviewapp.pure.verdicts.earlier import earlier_answer as earlier_answer
from reviewapp.pure.verdicts.messages import Message as Message
from reviewapp.pure.verdicts.sets import summarise as summarise
from reviewapp.pure.verdicts.single import compare as compare
from reviewapp.pure.verdicts.values import METHOD_VERSION as METHOD_VERSION
from reviewapp.pure.verdicts.values import NO_EVIDENCE as NO_EVIDENCE
from reviewapp.pure.verdicts.values import AnswerGroup as AnswerGroup
from reviewapp.pure.verdicts.values import CanaryState as CanaryState
from reviewapp.pure.verdicts.values import EarlierAnswer as EarlierAnswer
from reviewapp.pure.verdicts.values import Evidence as Evidence
from reviewapp.pure.verdicts.values import FingerprintState as FingerprintState
from reviewapp.pure.verdicts.values import Grade as Grade
from reviewapp.pure.verdicts.values import SetVerdict as SetVerdict
from reviewapp.pure.verdicts.values import Verdict as Verdict
from reviewapp.pure.verdicts.values import VerdictKind as VerdictKind
