"""A narrator that asks a language model. It needs the extra `llm`; without it, importing this fails with a sentence."""

from runweaver.shared.errors import MissingExtraError

try:
    from runweaver.worker.llm.client import ModelClient
except ImportError:
    raise MissingExtraError(
        "RUNWEAVER_NARRATOR=llm needs the extra: pip install 'runweaver[llm]', or unset it for the narrator that comes "
        "along"
    ) from None
from runweaver.worker.llm.narrator import LlmNarrator

__all__ = ["LlmNarrator", "ModelClient"]
