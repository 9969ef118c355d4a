"""Whether the settings of the model make sense together."""

import re
from typing import Final
from urllib.parse import urlsplit

from runweaver.shared.errors import SettingsError
from runweaver.shared.log import get_logger
from runweaver.shared.settings import DEFAULT_LLM_URL, LlmSettings

_KEY: Final = re.compile(r"[!-~]+")

_log = get_logger(__name__)


def check_settings(settings: LlmSettings) -> None:
    """Make sure that a model can be asked.

    Raises:
        SettingsError: it cannot; the text says which setting to change, and does not hold the key.
    """
    if settings.llm_model is None:
        raise SettingsError(
            "RUNWEAVER_NARRATOR=llm needs RUNWEAVER_LLM_MODEL, the name of a model at RUNWEAVER_LLM_URL"
        )
    _check_url(settings.llm_url)
    if settings.llm_minute_tokens < settings.llm_run_tokens:
        raise SettingsError(
            f"RUNWEAVER_LLM_MINUTE_TOKENS={settings.llm_minute_tokens} is less than one request may take: raise it, or "
            f"lower RUNWEAVER_LLM_RUN_TOKENS={settings.llm_run_tokens}"
        )
    key = settings.llm_key.get_secret_value() if settings.llm_key is not None else ""
    if key and not _KEY.fullmatch(key):
        raise SettingsError("RUNWEAVER_LLM_KEY holds blanks, line breaks or other characters that no key has")
    if lacks_key(settings):
        _log.warning("RUNWEAVER_LLM_KEY is not set, telling all runs plainly")


def lacks_key(settings: LlmSettings) -> bool:
    """Whether the server is one that answers nobody without a key, and there is none."""
    return settings.llm_url == DEFAULT_LLM_URL and not (settings.llm_key and settings.llm_key.get_secret_value())


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
        parts = None
    if parts is not None and "@" in parts.netloc:
        raise SettingsError("RUNWEAVER_LLM_URL holds a user or a password: a key belongs into RUNWEAVER_LLM_KEY")
    if not is_fit:
        raise SettingsError(f"RUNWEAVER_LLM_URL={url!r}: http:// or https://, a host, and mostly /v1")
