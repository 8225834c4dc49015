"""Uploads a written subset to the Hugging Face hub, only when the user says so."""

from __future__ import annotations

from pathlib import Path

from handpicked.data.hubfaults import hub_errors
from handpicked.errors import MissingPart, first_line


def push(folder: Path, name: str) -> str:
    """Upload the files of a subset folder to the private data set ``name``; returns a sentence that says so.

    The key is the hub's own (HF_TOKEN or its login). Raises MissingPart when the hub refuses.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, repo_type="dataset", ignore_patterns=".*")
    except hub_errors() as error:
        raise MissingPart(
            f"The subset is written to {folder}, but the hub did not accept it as "
            f"'{name}': {first_line(error)} "
            "Check the name, the token (HF_TOKEN) and the connection, then upload the folder."
        ) from error
    return f"uploaded to the private data set {name}"
