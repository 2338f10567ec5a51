"""把区域规划的结构与承诺放到路网上检验 — test a regional plan's promises on its network.

The plan's structure becomes geometry, roads and railways become a graph, promises become
targets, construction projects become edits to the graph. Import the module that owns what you
need, for example ``from spatialplan import travel``; the package itself imports nothing, so
that the command line starts at once.
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Look the version up only when somebody asks for it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spatialplan")
    except PackageNotFoundError:  # the source folder on the path, not installed
        return "0+unknown"
