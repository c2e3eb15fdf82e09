"""How well people agree when several judge the same answers.

- `chance`: percent agreement, Cohen's and Fleiss' kappa, Krippendorff's alpha;
- `intervals`: bootstrap intervals over items, and the agreement of each pair of raters;
- `asked`: all the figures of one question, and of each of its answers;
- `drifting`: whether people agree more or less as time goes on;
- `spans`: agreement on marked stretches of text;
- `marking`: all the figures of marks with one label, or of all marks.

Ratings are a table: one row for each item, one column for each rater, None where a rater did
not judge. What can't be computed is None (nobody judged twice, or everybody always said the
same, so that chance agreement is certain), never 0 and never 1.
"""

from __future__ import annotations

from reviewapp.pure.agreement.asked import Answers as Answers
from reviewapp.pure.agreement.asked import ChoiceAgreement as ChoiceAgreement
from reviewapp.pure.agreement.asked import Coefficients as Coefficients
from reviewapp.pure.agreement.asked import Kappa as Kappa
from reviewapp.pure.agreement.asked import by_choice as by_choice
from reviewapp.pure.agreement.asked import coefficients as coefficients
from reviewapp.pure.agreement.chance import Level as Level
from reviewapp.pure.agreement.chance import Ratings as Ratings
from reviewapp.pure.agreement.chance import Value as Value
from reviewapp.pure.agreement.chance import cohen_kappa as cohen_kappa
from reviewapp.pure.agreement.chance import fleiss_kappa as fleiss_kappa
from reviewapp.pure.agreement.chance import krippendorff_alpha as krippendorff_alpha
from reviewapp.pure.agreement.chance import percent_agreement as percent_agreement
from reviewapp.pure.agreement.drifting import Stretch as Stretch
from reviewapp.pure.agreement.drifting import stretches as stretches
from reviewapp.pure.agreement.intervals import Interval as Interval
from reviewapp.pure.agreement.intervals import PairAgreement as PairAgreement
from reviewapp.pure.agreement.intervals import bootstrap as bootstrap
from reviewapp.pure.agreement.intervals import bootstrap_counts as bootstrap_counts
from reviewapp.pure.agreement.intervals import pair_matrix as pair_matrix
from reviewapp.pure.agreement.marking import MarkAgreement as MarkAgreement
from reviewapp.pure.agreement.marking import MarkedText as MarkedText
from reviewapp.pure.agreement.marking import marks_agreement as marks_agreement
from reviewapp.pure.agreement.spans import MarkedSpan as MarkedSpan
from reviewapp.pure.agreement.spans import span_alpha as span_alpha
from reviewapp.pure.agreement.spans import span_f1 as span_f1
from reviewapp.pure.agreement.spans import span_matches as span_matches
