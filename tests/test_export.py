"""Studies in experiment trackers and on the hub, by their own clients."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.synthetic_gallery import IMAGES
from tests.synthetic_impact import with_impact
from tests.test_report_explained import explained, two_layers

from padscope import load_study
from padscope.errors import PadscopeError
from padscope.export import scalars
from padscope.findings.checks import count
from padscope.findings.headline import headline
from padscope.study import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return with_impact(explained(two_layers(), IMAGES, baselines=1))


def test_scalars_are_the_counts_and_their_baselines(study: Study) -> None:
    found, filters = scalars(study), study.filters
    assert found["padscope/measured filters"] == count(study).measured
    assert found["padscope/recognises"] == filters["recognises"].sum()
    assert found["padscope/because of padding"] == (filters["label"] == "confirmed").sum()
    assert "padscope/recognises - untrained" in found and "padscope/used" not in found


def test_tensorboard(study: Study, tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tensorboard.SummaryWriter(tmp_path) as writer:
        study.log_to(writer, step=7)
    written = EventAccumulator(str(tmp_path)).Reload()
    kept = {tag: written.Scalars(tag)[0] for tag in written.Tags()["scalars"]}
    assert {tag: event.value for tag, event in kept.items()} == pytest.approx(scalars(study))
    assert {event.step for event in kept.values()} == {7}
    (picture,) = written.Images("padscope/depth")
    assert picture.width > 300
    (text,) = written.Tensors("padscope/text_summary")
    assert headline(study).title in text.tensor_proto.string_val[0].decode()


def test_wandb(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="needs wandb", exc_type=ImportError)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with wandb.init(project="padscope", dir=tmp_path) as run:
        study.log_to(run, step=7)
    wandb.teardown()  # its own process has written all when it is gone
    records_of = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="needs wandb")
    (records,) = (file.read_bytes() for file in tmp_path.rglob("offline*/*.wandb"))
    for name, value in scalars(study).items():
        written = json.dumps(int(value) if value == int(value) else value)
        item = records_of.HistoryItem(nested_key=[name], value_json=written)
        assert item.SerializeToString() in records
    (page,) = tmp_path.rglob("report*.html")
    assert headline(study).title in page.read_text(encoding="utf-8")
    assert len([*tmp_path.rglob("depth*.png")]) == 1


def test_mlflow(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow", exc_type=ImportError)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    with mlflow.start_run() as run:
        study.log_to(mlflow, step=7)
    kept = mlflow.get_run(run.info.run_id).data.metrics
    assert kept == scalars(study)
    (page,) = tmp_path.rglob("report.html")
    assert headline(study).title in page.read_text(encoding="utf-8")
    assert len([*tmp_path.rglob("depth.svg")]) == 1


def test_trackio(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio = pytest.importorskip("trackio", reason="needs trackio", exc_type=ImportError)
    run = trackio.init(project="padscope", name="one", embed=False)
    study.log_to(run, step=7)
    run.finish()
    from trackio.sqlite_storage import SQLiteStorage

    (kept,) = SQLiteStorage.get_logs("padscope", "one")
    assert {name: kept[name] for name in scalars(study)} == scalars(study)


def test_what_is_no_tracker_is_named(study: Study) -> None:
    with pytest.raises(PadscopeError, match="cannot log to int; give a SummaryWriter"):
        study.log_to(5)


class Hub(BaseHTTPRequestHandler):
    """Takes a data set repository as the hub does, and keeps its files below `folder`."""

    folder: Path

    def do_POST(self) -> None:  # the name that http.server calls
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, self.taken(body))

    def do_GET(self) -> None:  # as above
        self.answer(404, {"error": "there is nothing"})

    def taken(self, body: bytes) -> dict[str, Any]:
        address = f"http://{self.headers['Host']}"
        if self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            taken = {"uploadMode": "regular", "shouldIgnore": False}
            return {"files": [file | taken for file in files]}
        if self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    (self.folder / value["path"]).write_bytes(base64.b64decode(value["content"]))
            return {"commitUrl": f"{address}/datasets/ada/pans/commit/0", "commitOid": "0"}
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            assert asked["type"] == "dataset"
            assert asked.get("private") or asked["visibility"] == "private"  # older clients, newer
            return {"url": f"{address}/datasets/ada/pans"}
        return {"errors": [], "warnings": []}  # of the card

    def answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    client = pytest.importorskip("huggingface_hub", reason="needs the extra hf")
    Hub.folder = tmp_path
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield client.HfApi(endpoint=f"http://127.0.0.1:{server.server_port}", token="hf_none")
        server.shutdown()


def test_a_repository_of_the_hub_is_a_run(study: Study, hub: Any, tmp_path: Path) -> None:
    address = study.push_to_hub("ada/pans", private=True, api=hub)
    assert address == f"{hub.endpoint}/datasets/ada/pans"
    found = load_study(tmp_path)
    assert found.filters.equals(study.filters) and found.impact is not None
    assert headline(found) == headline(study)
    assert headline(study).title in (tmp_path / "report.html").read_text(encoding="utf-8")
    front, told = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)[1:]
    assert headline(study).title in told
    named = [line.split()[-1] for line in front.splitlines() if "data_files" in line]
    assert sorted(named) == sorted(path.name for path in tmp_path.glob("*.parquet"))


def test_what_the_hub_refuses_is_one_sentence(study: Study, hub: Any) -> None:
    with pytest.raises(PadscopeError, match="cannot push to not a name: "):
        study.push_to_hub("not a name", api=hub)
