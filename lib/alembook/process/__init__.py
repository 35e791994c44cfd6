"""Programs: run one to its end, start one that goes on, or detach one. The only module that imports subprocess.

Every program gets its environment whole and nothing of ours; no standard input; a session and process group of its
own, so that Ctrl-C at the terminal reaches it through us only. It dies with its parent: the kernel sends it
``death_signal`` when the *thread* that started it ends (prctl PR_SET_PDEATHSIG, Linux; elsewhere do without), so
start long-running programs from a thread that lives as long as they should. What the program starts itself is not
covered by that.
"""

from alembook.process.output import OnLine
from alembook.process.program import Finished, Running, Sink, adopting, can_reach, detach, run, start

__all__ = ["Finished", "OnLine", "Running", "Sink", "adopting", "can_reach", "detach", "run", "start"]
