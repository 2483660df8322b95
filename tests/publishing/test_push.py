"""What is sent to the hub, to a stand-in of its API."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import ModelCard

import aft
from aft.catalogue import licence_of
from aft.data import Dataset
from aft.errors import RunError, UsageError
from aft.publishing import prepare
from aft.runs import RunConfig, RunLayout, teacher_warnings, without_places
from tests.conftest import bag_of_letters, sentences


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's API that a commit of small files needs."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls.append((self.path, self.headers.get("Authorization"), body))
        if "refused" in self.path or (self.path.endswith("/create") and b"refused" in body):
            return self._answer(403, {"error": "You don't have the rights. Ask for them."})
        if self.path.endswith("/create"):
            return self._answer(
                200, {"url": f"https://huggingface.co/{json.loads(body)['organization']}/{json.loads(body)['name']}"}
            )
        if "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self._answer(200, {"files": files})
        if "/commit/" in self.path:
            return self._answer(
                200, {"success": True, "commitOid": "0" * 40, "commitUrl": "https://huggingface.co/me/x/commit/0"}
            )
        return self._answer(200, {"errors": [], "warnings": []})

    def do_GET(self):
        files = self.server.files
        name = self.path.rpartition("/resolve/")[2].partition("/")[2]
        if "/resolve/" in self.path and name in files:
            return self._answer(200, files[name], etag=f'"{hashlib.sha256(files[name]).hexdigest()}"')
        if self.path.startswith("/api/models/me/x/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40} for name, content in files.items()
            ]
            return self._answer(200, tree)
        if self.path.startswith("/api/models/me/x"):
            return self._answer(
                200, {"id": "me/x", "sha": "0" * 40, "siblings": [{"rfilename": name} for name in files]}
            )
        return self._answer(404, {"error": "Repository not found. Check it."})

    do_HEAD = do_GET

    def _answer(self, status, content, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {**headers, "X-Repo-Commit": "0" * 40}.items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.calls, server.files = [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def push(hub, *arguments):
    """Run ``aft push`` against the stand-in."""
    return command(hub, "push", *arguments)


def command(hub, *arguments):
    """Run a command against the stand-in."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
        "HF_TOKEN": "hf_secret",
        "HF_HUB_OFFLINE": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "aft", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def sent(hub):
    """The files of the commit that the stand-in has received."""
    (body,) = [body for path, _, body in hub.calls if "/commit/" in path]
    lines = [json.loads(line) for line in body.decode().splitlines()]
    return {
        line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
    }


def is_private(created):
    """Whether a new repository is to be private; versions of the hub's client say it in two ways."""
    return created.get("visibility") == "private" or created.get("private") is True


@pytest.fixture
def run(tmp_path):
    """A run in a folder whose name must not get out, with a teacher from another."""
    home = tmp_path / "secret-home"
    home.mkdir()
    rows = sentences(60)
    (home / "reviews.csv").write_text("id,text,label\n" + "".join(f"{i},{t},{label}\n" for i, t, label in rows))
    dataset = Dataset.from_table(home / "reviews.csv", text="text", label="label", id="id")
    module, preprocess = bag_of_letters()
    store = aft.extract(dataset, module, preprocess=preprocess, name="letters", out=home / "features", progress=False)
    made = aft.train(
        dataset,
        "aft:transformer,vocabulary=200,width=16,layers=1",
        [store],
        out=home / "run",
        method="aft",
        beta=1.0,
        steps=3,
        progress=False,
    )
    return made.path


def test_a_run_is_sent_in_one_commit_and_loads_again(hub, run, tmp_path):
    done = push(hub, run, "me/x", "--licence", "apache-2.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "sent to me/x"
    created = json.loads(next(body for path, _, body in hub.calls if path.endswith("/create")))
    assert created["name"] == "x"
    assert created["organization"] == "me"
    assert is_private(created)
    assert {token for _, token, _ in hub.calls} == {"Bearer hf_secret"}
    files = sent(hub)
    assert {"README.md", "config.json", "model.safetensors", "result.json"} < set(files)
    assert not {"splits.csv", "metrics.csv"} & set(files)
    assert not any(b"secret-home" in content or b"hf_secret" in content for content in files.values())
    for name, content in files.items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    texts = [text for _, text, _ in sentences(5)]
    assert (aft.load(tmp_path / "copy", device="cpu").logits(texts) == aft.load(run, device="cpu").logits(texts)).all()


def test_what_was_sent_is_loaded_by_its_name(hub, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    assert push(hub, run, "me/x").returncode == 0
    hub.files = sent(hub)
    done = command(hub, "predict", "hf:me/x", "--input", "a lovely film")
    assert done.returncode == 0, done.stderr
    assert done.stdout == command(hub, "predict", run, "--input", "a lovely film").stdout
    assert command(hub, "predict", "hf:me/x@main", "--input", "a lovely film").stdout == done.stdout
    done = command(hub, "predict", "hf:me/nothing", "--input", "a lovely film")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "aft: hf: needs the name of a repository that can be read; 'me/nothing' could not be downloaded ("
    )


def test_the_card_is_what_the_hub_reads(run):
    text = RunLayout(run).card.read_text()
    (folder := run.parent / "empty").mkdir()
    published = prepare(run, folder, licence="mit")
    sent_text = (folder / "README.md").read_text()
    data = ModelCard(sent_text).data
    assert data.license == "mit"
    assert data.library_name == "aft"
    assert data.pipeline_tag == "text-classification"
    metrics = {one.metric_type: one.metric_value for one in data.eval_results}
    assert metrics["accuracy"] == pytest.approx(1 - aft.Run.open(run).error, abs=1e-6)
    assert data.eval_results[0].dataset_name == "reviews.csv"
    assert "secret-home" not in text + sent_text
    assert "licence unknown; check the page of the model" in sent_text
    assert sum(published.files.values()) == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_dry_run_sends_nothing(hub, run):
    done = push(hub, run, "me/x", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "README.md" in done.stdout
    assert done.stdout.splitlines()[-1] == "would go to me/x"
    assert hub.calls == []


def test_an_export_is_sent_whole_with_the_comparison_that_is_named(hub, tmp_path):
    rows = sentences(80)
    dataset = Dataset.from_arrays([text for _, text, _ in rows], [label for *_, label in rows])
    module, preprocess = bag_of_letters()
    store = aft.extract(
        dataset, module, preprocess=preprocess, name="letters", out=tmp_path / "features", progress=False
    )
    comparison = aft.compare(
        dataset,
        "aft:ngrams,vocabulary=300",
        [store],
        methods=["finetune"],
        seeds=2,
        steps=3,
        out=tmp_path / "c",
        progress=False,
    )
    run = next((comparison.path / "runs").iterdir())
    aft.export(run, tmp_path / "out", data=dataset)
    done = push(hub, tmp_path / "out", "me/y", "--comparison", comparison.path, "--public")
    assert done.returncode == 0, done.stderr
    files = sent(hub)
    assert {"model.onnx", "export.json", "ngrams.npz", "README.md"} <= set(files)
    card = files["README.md"].decode()
    assert "## Comparison" in card
    assert "TF-IDF" in card
    assert card.index("## Use") < card.index("## Comparison") < card.index("## Teachers")
    assert ModelCard(card).data.library_name == "onnx"
    assert not is_private(json.loads(next(body for path, _, body in hub.calls if path.endswith("/create"))))
    published = aft.push(run, "me/y", dry_run=True)  # a run inside of a comparison shows it without being told
    assert published.files["README.md"] > len(card) / 2


def test_what_cannot_be_sent(hub, run, tmp_path):
    for repo in ("x", "me/", "a/b/c"):
        with pytest.raises(UsageError, match=r"a repository is named OWNER/NAME; received .*; write both"):
            aft.push(run, repo, dry_run=True)
    with pytest.raises(RunError, match=r"a run contains config.json; there is none in"):
        aft.push(tmp_path, "me/x", dry_run=True)
    with pytest.raises(RunError, match=r"a card shows a finished comparison; there is no comparison.json in"):
        aft.push(run, "me/x", dry_run=True, comparison=tmp_path)
    done = push(hub, run, "me/refused")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("aft: the hub must accept a commit to 'me/refused'; it could not be made (")
    assert len(done.stderr.strip().splitlines()) == 1


def test_licences_of_teachers(run, caplog):
    assert licence_of("hf:facebook/dinov2-small,layer=x") == ("Apache-2.0", None)
    assert licence_of("embeddinggemma").name == "Gemma"
    assert licence_of("hf:/a/folder") == (None, None)
    config = RunConfig.read(RunLayout(run).config)
    (teacher,) = config.teachers
    limited = teacher.model_copy(
        update={"fingerprint": {**teacher.fingerprint, "model": "st:google/embeddinggemma-300m"}}
    )
    (sentence,) = teacher_warnings(config.model_copy(update={"teachers": (limited,)}))
    assert sentence == (
        "the licence of letters (Gemma) may limit what the student is used for: its terms bind a model that learns from its outputs, too, as "
        "a derivative"
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hf:/root/models/minilm,keep_layers=2", "hf:minilm,keep_layers=2"),
        ("aft:ngrams+hf:/a/b c/minilm", "aft:ngrams+hf:minilm"),
        ("aft:static,init=../models/mpnet,width=8", "aft:static,init=mpnet,width=8"),
        ("hf:owner/name", "hf:owner/name"),
        ("timm:resnet18.a1_in1k", "timm:resnet18.a1_in1k"),
        ("hf:~/m/x", "hf:x"),
    ],
)
def test_names_without_places(name, shown):
    assert without_places(name) == shown
