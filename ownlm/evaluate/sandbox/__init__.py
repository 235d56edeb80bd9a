"""Model-written code runs here and nowhere else."""

from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.sandbox.program import Ended, How, Limits, Program, Sandbox, Step

__all__ = ["Ended", "How", "Limits", "Program", "Sandbox", "Step", "open_sandbox"]
