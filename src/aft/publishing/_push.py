"""``aft push``: a student on the Hugging Face Hub."""

import tempfile
from pathlib import Path

from aft.core import first_sentence
from aft.errors import MissingExtraError, PublishError, UsageError
from aft.publishing._prepare import Publication, prepare


def push(
    run: str | Path,
    repo: str,
    *,
    comparison: str | Path | None = None,
    licence: str | None = None,
    public: bool = False,
    token: str | None = None,
    dry_run: bool = False,
) -> Publication:
    """Send a run or an export to a repository of the Hugging Face Hub, in one commit.

    The repository is created if it does not exist. Files that are there and are not part of the publication stay.

    Args:
        run: The run directory, or a folder of ``aft export``.
        repo: ``OWNER/NAME``.
        comparison: Directory of a comparison, whose table goes into the card; by default that which the run is part of, if any.
        licence: The student's licence, by the hub's identifier, such as ``"apache-2.0"``.
        public: Whether a new repository can be read by everyone.
        token: A token that may write; by default that of ``hf auth login``, or of ``HF_TOKEN``.
        dry_run: Send nothing: only say what would be sent.

    Returns:
        What was sent.

    Raises:
        UsageError: The name of the repository is not ``OWNER/NAME``.
        RunError: There is no finished run and no export.
        MissingExtraError: huggingface-hub is not installed.
        PublishError: The hub refuses it, or cannot be reached.

    Example:
        >>> aft.push("runs/a", "me/movie-reviews", licence="apache-2.0", dry_run=True).files
        {'README.md': 1532, 'config.json': 2210, ...}
    """
    if len(repo.split("/")) != 2 or not all(repo.split("/")):
        raise UsageError(f"a repository is named OWNER/NAME; received {repo!r}; write both")
    with tempfile.TemporaryDirectory() as directory:
        publication = prepare(run, Path(directory), comparison=comparison, licence=licence)
        if not dry_run:
            _send(Path(directory), repo, public, token)
    return publication


def _send(folder: Path, repo: str, public: bool, token: str | None) -> None:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtraError(
            "huggingface-hub sends models, which is not installed; run pip install 'adaptive-feature-transfer[hub]'"
        ) from error
    api = HfApi(token=token, library_name="aft")
    try:
        api.create_repo(repo, private=not public, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Add a student trained by aft")
    except Exception as error:  # the hub's client raises errors of many kinds
        raise PublishError(
            f"the hub must accept a commit to {repo!r}; it could not be made ({first_sentence(error)}); check the network, the name and "
            "the token (hf auth login), and run the command again"
        ) from error
