"""Seeds that once broke a promise. The code or the judge was wrong, and is corrected
(docs/reliability.md).

Where the judge was wrong, from seed 100000 on:

100485: the clock was wrong when a stream came up, and the judge trusted it.
101232: a rule wants the session, and the judge let it begin too late.
101248: two requests overlapped, and the judge took the earlier one for the last.
200699, 200741: a wrong clock had passed the limit of an occurrence, which began again.
200765, 201243: Live refused a start and recorded by itself, which nothing had shown.
300717, 303852: an intent counted as wanted only from when it was stored, or reconnected.
301148: a fail-over lost a schedule before its answer came.
301672, 305535: a late report of a pause, or a lost restart, left open what was true.
302263: a schedule had been due for four seconds.
306250: each step of a reconcile took half a minute.
306769: a replayed report said that Live records, so no alert could come.
308817: the clock was wrong until the end of the day.
311059: a publish was reported so late that the poll found the stream gone.
311459: Live repeated a report of a pause without a time, after the stream was back.
315328: a restart had dropped the part that was paused, and no file has it.
317248: the doubt about a start ended while a replayed callback was handled.
317490, 317570, 318615, 327872, 328618: a clock ahead had noted an occurrence as missed.
317757: a pause was read back without a time, and Live refused with a code that nobody knows.
318898, 325181: a wrong clock made a hold look unexpired.
321766: the answer of a start came after its lease, and was not stored.
322415: a publish was read back 13 minutes later, with a wrong clock.
325978: three publishes within ten seconds, with the times at which callbacks were sent.
327320, 329004: somebody else had started a recording whose own start waited under a limit.
331125: a stop was lost, and Live refused each later start with a code that nobody knows.
331903, 340591: an end was reported, and each poll failed: the gap since then may be none.
333879: somebody asked again for a stream whose start Live had just accepted.
335592: a publish was reported with a doubt, and its time was read back after a reconnect.
340575, 341308: the online list was ten seconds late, and showed a stream after its publish_done.
345132: a fail-over lost a stop that had replaced a record that cannot be read.
345580: the store's clock was set back, and the first slot after that came up to 2 s late.
"""

from __future__ import annotations

import pytest

from tests.simulation.plan import draw
from tests.simulation.simulation import Simulation

# fmt: off
SEEDS = (
    527, 751, 964, 1007, 1089, 1191, 1287, 1549, 1697, 2050, 2084, 2090, 2211, 2367, 2429, 2449,
    2548, 3604, 4277, 4614, 4775, 5083, 10016, 10302, 50047, 51060, 70169, 70239, 70298, 100485,
    101232, 101248, 101544, 101771, 200133, 200699, 200741, 200765, 201243, 210576, 210701, 210774,
    211503, 300717, 300778, 301148, 301245, 301672, 302225, 302263, 302529, 302924, 303590, 303852,
    304182, 304329, 304519, 305428, 305535, 306250, 306297, 306769, 307859, 308387, 308776, 308817,
    311059, 311459, 315328, 317248, 317490, 317570, 317757, 318615, 318898, 321766, 322415, 325166,
    325181, 325978, 327320, 327872, 327894, 328618, 329004, 331125, 331903, 333879, 334332, 334430,
    335592, 336479, 337302, 339045, 339350, 340575, 340591, 341025, 341308, 344233, 345132, 345580,
    346971, 347450, 348712, 350911, 352118, 353348,
)
# fmt: on


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_once_broke_a_promise_breaks_none(seed: int) -> None:
    assert Simulation(draw(seed)).run().broken is None
