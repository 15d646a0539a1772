"""Where work runs. Knows tasks, processes and memory; knows nothing of soil."""

from soilscope.engine.local import Local
from soilscope.engine.task import Engine, Outcome, Task

__all__ = ["Engine", "Local", "Outcome", "Task"]
