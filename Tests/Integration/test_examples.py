"""The examples of `examples/`, and the commands of the documents that use them, run with a plain shell as a reader would run
them, against a server just set up."""

import http.client
import os
import re
import subprocess
import threading
import urllib.request
from contextlib import contextmanager

import pytest

from server import APUS, PATIENCE, ROOT, Server, environment, free_port

EXAMPLES = ROOT / "examples"
STEPS = EXAMPLES / "ci-pipeline/steps"
# Each example loads models several times and waits for traffic: minutes where everything is slow.
LONG = 10 * PATIENCE
COMPARED = "apus mirror report -e filetype --query compared_requests -o tsv || echo 0"
UNTIL_COMPARED = f'until [ "$({COMPARED})" -gt 0 ]; do sleep 0.1; done\n'


class EndpointServer(Server):
    """A server with a data directory, and the secret of a principal `ci` that may deploy."""

    def __init__(self, folder):
        self.folder = folder
        self.http_port, self.control_port = free_port(), free_port()
        first = self.run_apus("init", "--data", folder / "data").stdout
        (folder / "repository").mkdir()
        super().__init__(
            folder / "repository", "--data", folder / "data", "--http-listen", f"127.0.0.1:{self.http_port}",
            "--control-listen", f"127.0.0.1:{self.control_port}", "--instances", "1",
            "--instance-type", "Standard_DS3_v2=1,512Mi", "--machine", "8,8Gi")
        secret = re.search(r"apus_once_[\w-]+", first).group()
        self.run_apus("login", "--server", self.control_url, "--secret", secret)
        self.token = self.run_apus("principal", "create", "-n", "ci", "--query", "secret", "-o", "tsv").stdout.strip()
        self.run_apus("role", "assignment", "create", "--assignee", "local:ci", "--role", "AzureML Data Scientist")

    @property
    def control_url(self):
        return f"http://127.0.0.1:{self.control_port}"

    def run_apus(self, *arguments):
        return subprocess.run(
            [str(part) for part in (APUS, *arguments)], env=environment() | {"XDG_CONFIG_HOME": str(self.folder / "config")},
            capture_output=True, text=True, check=True, timeout=PATIENCE)

    def pipeline_environment(self):
        """What a runner has: two secrets, and no home to keep anything in."""
        return environment() | {
            "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", "APUS": str(APUS), "APUS_SERVER": self.control_url,
            "APUS_TOKEN": self.token}


@pytest.fixture
def endpoints(tmp_path):
    with EndpointServer(tmp_path) as server:
        yield server


def shell(script, settings, status=0):
    done = subprocess.run(["sh", script], env=settings, capture_output=True, text=True, timeout=LONG)
    print(done.stdout, done.stderr)
    assert done.returncode == status, f"{script.name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def blocks(document, section):
    """The blocks of shell of a section."""
    text = (ROOT / document).read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_a_safe_rollout_under_constant_load_loses_no_request(endpoints, public_models):
    models = public_models("magika-v3-2", "magika")
    said = shell(EXAMPLES / "safe-rollout/run.sh", endpoints.pipeline_environment() | {
        "APUS_SCORING": endpoints.address, "MODELS": models, "HOLD": "1s"})
    assert "answered by green" in said
    assert re.search(r"^target_label +\d+ ", said, re.MULTILINE)  # the comparison has a row for the output
    assert "state: finished\npercent: 100" in said
    assert said.rstrip().endswith("done: no request failed")


@contextmanager
def traffic(server, endpoint, body):
    """One caller that asks again and again; gives the statuses it got."""
    key = server.run_apus("endpoint", "get-credentials", "-n", endpoint, "--query", "primaryKey", "-o", "tsv").stdout
    url = f"http://127.0.0.1:{server.http_port}/endpoints/{endpoint}/score"
    headers = {"authorization": f"Bearer {key.strip()}", "content-type": "application/json"}
    is_over, statuses = threading.Event(), set()

    def ask():
        while not is_over.is_set():
            try:
                with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=PATIENCE) as answer:
                    statuses.add(answer.status)
            except (OSError, http.client.HTTPException) as error:  # of the first kind are those of urllib
                statuses.add(repr(error))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield statuses
    finally:
        is_over.set()
        asker.join()


def test_the_pipeline_deploys_runs_again_and_rolls_back(endpoints, public_models, tmp_path):
    model = public_models("magika") + "/magika"
    state = tmp_path / "state"

    def step(name, run, status=0, **settings):
        return shell(STEPS / f"{name}.sh", endpoints.pipeline_environment() | {
            "RUN": run, "STATE": str(state / run), "MODEL": model, "HOLD": "1s", "MINIMUM_REQUESTS": "1"} | settings, status)

    def shares():
        return endpoints.run_apus("endpoint", "show", "-n", "filetype-ci", "--query", "traffic", "-o", "yaml").stdout.strip()

    for name in ("1-endpoint", "2-deploy", "3-smoke-test", "4-shift-traffic", "5-clean-up"):
        step(name, "1")
    assert shares() == "run-1: 100"

    # The second run finds an endpoint with traffic. Each step may run twice.
    step("1-endpoint", "2")
    step("2-deploy", "2")
    step("2-deploy", "2")
    step("3-smoke-test", "2")
    with traffic(endpoints, "filetype-ci", (state / "2/request.json").read_bytes()) as statuses:
        step("4-shift-traffic", "2")
    assert statuses == {200}
    assert shares() == "run-2: 100"
    step("5-clean-up", "2")

    # The third fails its smoke test, the fourth finds nobody who calls: nothing of them stays.
    for run in ("3", "4"):
        step("1-endpoint", run)
        step("2-deploy", run)
        if run == "3":
            step("3-smoke-test", run, status=1, LABELS="3")
        else:
            step("4-shift-traffic", run, status=1, STEP_TIMEOUT="1s")
        step("roll-back", run)
        assert shares() == "run-2: 100"
    listed = endpoints.run_apus("deployment", "list", "-e", "filetype-ci", "--query", "[].name", "-o", "tsv").stdout.split()
    assert sorted(listed) == ["run-1", "run-2"]  # the one before stays to go back to


def test_a_pipeline_without_its_secret_ends_with_the_status_for_that(endpoints, tmp_path):
    settings = endpoints.pipeline_environment() | {"RUN": "1", "STATE": str(tmp_path), "APUS_TOKEN": "apus_login_0_wrong"}
    shell(STEPS / "1-endpoint.sh", settings, status=77)


@pytest.fixture
def reader(endpoints, public_models, tmp_path):
    """Runs lines of a document in a shell that has the program, a server and the models."""
    public_models("magika-v3-2", "magika")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apus").symlink_to(APUS)

    def run(lines):
        script = tmp_path / "lines.sh"
        script.write_text("set -e\n" + lines.replace("/tmp/row.json", f"{tmp_path}/row.json"))
        return shell(script, endpoints.pipeline_environment() | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})

    return run


def test_the_readmes_first_endpoint_answers(reader):
    *_, block = blocks("README.md", "An endpoint in a minute")
    said = reader(f"cd {ROOT}\n" + block[block.index("cd examples"):])
    assert '"model_version":"blue"' in said


def test_the_tours_way_from_an_endpoint_to_a_rollout_and_back_works_as_it_is_written(reader, endpoints, tmp_path):
    first, second = blocks("docs/endpoints.md", "Endpoint, deployment, traffic")
    there = f"cd {EXAMPLES / 'safe-rollout'}\n"
    assert '"model_version":"blue"' in reader(there + first)
    quick = second.replace("--hold 5m", "--hold 100ms --minimum-requests 5 --max-latency-ratio none")
    assert quick != second
    # The report is there once some calls were compared; the one caller here may not have made them yet.
    quick = quick.replace("apus mirror report", UNTIL_COMPARED + "apus mirror report")
    assert UNTIL_COMPARED in quick
    with traffic(endpoints, "filetype", (tmp_path / "row.json").read_bytes()) as statuses:
        said = reader(there + quick)
    assert '"model_version":"green"' in said and '"state": "finished"' in said
    assert statuses == {200}
    shares = endpoints.run_apus("endpoint", "show", "-n", "filetype", "--query", "traffic", "-o", "yaml").stdout.strip()
    assert shares == "blue: 100"


def test_the_workflow_runs_the_scripts_that_there_are():
    workflow = (EXAMPLES / "ci-pipeline/.github/workflows/deploy.yml").read_text()
    run = re.findall(r"run: examples/ci-pipeline/steps/([\w-]+\.sh)", workflow)
    assert set(run) == {path.name for path in STEPS.iterdir()} - {"settings.sh"}
    assert all(os.access(STEPS / name, os.X_OK) for name in run)
