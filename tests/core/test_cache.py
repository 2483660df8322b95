from pathlib import Path

from aft.core import cache_dir


def test_environment_variables_choose_the_cache_directory(monkeypatch):
    monkeypatch.setenv("AFT_CACHE", "/chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_dir() == Path("/chosen")
    monkeypatch.delenv("AFT_CACHE")
    assert cache_dir() == Path("/caches/aft")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_dir() == Path("/home/someone/.cache/aft")
