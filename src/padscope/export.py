"""A study elsewhere: in the experiment trackers that teams use, and on the Hugging Face hub."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from padscope.errors import PadscopeError, brief
from padscope.figures import render_figure
from padscope.findings.checks import count
from padscope.findings.headline import opening
from padscope.findings.rungs import rungs
from padscope.report import render_report
from padscope.report.comparison import plain
from padscope.store import RunDirectory
from padscope.study import Study

_UNTAKEN = re.compile(r"[^\w .:/-]")  # MLflow is the strictest


def scalars(study: Study) -> dict[str, float]:
    """Give the counts of the headline by name, each with the mean of its baselines.

    Names are such as ``padscope/recognises`` and ``padscope/recognises - untrained``, of letters
    that every tracker takes; what is not known is left out.
    """
    found: dict[str, float] = {"measured filters": count(study).measured}
    for rung in rungs(study):
        if rung.count is not None:
            found[rung.name] = rung.count
        found |= {f"{rung.name} - {beside.label}": beside.value for beside in rung.beside}
    return {f"padscope/{_UNTAKEN.sub('', name)}": value for name, value in found.items()}


def log_to(study: Study, client: Any, step: int | None = None) -> None:
    """Log a study to an experiment tracker; see `Study.log_to`."""
    svg, png = render_figure(study, "depth").values()
    counts, name = scalars(study), "padscope/depth"
    if hasattr(client, "add_scalar"):  # TensorBoard
        for tag, value in counts.items():
            client.add_scalar(tag, value, step)
        client.add_image(name, np.asarray(_picture(png)), step, dataformats="HWC")
        client.add_text("padscope", "\n\n".join(map(plain, opening(study))), step)
    elif hasattr(client, "log_metrics"):  # MLflow
        client.log_metrics(counts, step=step)
        client.log_text(svg.decode(), f"{name}.svg")
        client.log_text(render_report(study), "padscope/report.html")
    elif hasattr(client, "log"):  # W&B, trackio
        library = _library(client)
        media = {
            name: library.Image(_picture(png)),
            "padscope/report": library.Html(render_report(study)),
        }
        client.log(counts | media, step=step)
    else:
        raise PadscopeError(
            f"cannot log to {type(client).__name__}; give a SummaryWriter, a run of W&B or "
            "trackio, or the module mlflow"
        )


def _picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def _library(client: Any) -> ModuleType:
    """Find the package that a run, or the package itself, is of."""
    if isinstance(client, ModuleType):
        return client
    return import_module(type(client).__module__.partition(".")[0])


def push_to_hub(study: Study, repo_id: str, *, private: bool | None = None, api: Any = None) -> str:
    """Write a study to the Hugging Face hub; see `Study.push_to_hub`."""
    if api is None:
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise PadscopeError(
                'pushing needs huggingface_hub, which is not installed: pip install "padscope[hf]"'
            ) from error
        api = HfApi()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        RunDirectory(run).save(replace(study, invocation={}))  # which names places on this machine
        tables = sorted(file.name for file in run.glob("*.parquet"))
        pages = {"README.md": card(study, tables), "report.html": render_report(study)}
        for name, text in pages.items():
            (run / name).write_bytes(text.encode(errors="backslashreplace"))
        try:
            where = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
            api.upload_folder(
                repo_id=where.repo_id, repo_type="dataset", folder_path=folder,
                commit_message="Study by padscope",
            )  # fmt: skip
        except Exception as error:  # names, tokens, networks fail each in their own way
            raise PadscopeError(f"cannot push to {repo_id}: {brief(error)}") from error
    return str(where)


def card(study: Study, tables: Sequence[str]) -> str:
    """Write the card of a data set repository: its tables for the viewer, and what was found."""
    head = ["---", "tags: [padscope]", "configs:"]
    for file in tables:
        head += [f"- config_name: {Path(file).stem}", f"  data_files: {file}"]
    said = [plain(line) for line in (study.model, study.images, *opening(study))]
    told = ["\n".join([*head, "---"]), "# Padding-aware neurons", *said, "The page: `report.html`."]
    return "\n\n".join(told) + "\n"
