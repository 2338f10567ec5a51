"""Which marked tests run where."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time: a change that fails here fails everywhere. To look further:
# pytest --hypothesis-profile=default
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--large", action="store_true", help="run the tests marked large, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skipped = {}
    if not config.getoption("--large"):
        skipped["large"] = "large: run with --large"
    required = os.environ.get("SPATIALPLAN_REQUIRE_BROWSER", "") not in ("", "0")
    if browser_executable() is None and not required:
        skipped["browser"] = "browser: no Chromium, Chrome or Edge found"
    for item in items:
        for marker, reason in skipped.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def browser_executable() -> str | None:
    """Return the path of a browser of the Chromium family, or None."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found or sys.platform not in ("win32", "darwin"):
        return found
    programs = [os.environ.get(key, "") for key in ("PROGRAMFILES", "PROGRAMFILES(X86)")]
    places = [
        Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        *(Path(base, "Google/Chrome/Application/chrome.exe") for base in programs if base),
        *(Path(base, "Microsoft/Edge/Application/msedge.exe") for base in programs if base),
    ]
    return next((str(place) for place in places if place.is_file()), None)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The browser that tests marked ``browser`` drive, for playwright's ``executable_path``."""
    path = browser_executable()
    assert path, "no Chromium, Chrome or Edge found"
    return path
