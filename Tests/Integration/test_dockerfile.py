"""The Dockerfile names only what exists: there need not be a Docker daemon here to keep it true."""

import json
import re
import shlex
import signal
import subprocess

import pytest

from server import APUS, CACHE, ROOT, SANITIZED, environment


def instructions():
    """Pairs of instruction and argument, with continued lines joined and comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


ALL = instructions()
STAGES = [position for position, (name, _) in enumerate(ALL) if name == "FROM"]
RUNTIME = ALL[STAGES[-1]:]


def arguments(name, of=ALL):
    return [argument for given, argument in of if given == name]


def packages(of=ALL):
    found = set()
    for run in arguments("RUN", of):
        for command in run.split("&&"):
            words = shlex.split(command)
            if words[:2] == ["apt-get", "install"]:
                found |= {word for word in words[2:] if not word.startswith("-")}
    return found


def has_option(command, option):
    """Whether the program's own help knows the option."""
    done = subprocess.run(
        [APUS, *command, "--help"], env=environment(), capture_output=True, text=True, check=True)
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", done.stdout)


def test_it_has_a_builder_and_a_slim_runtime():
    images = [from_.split()[0] for from_ in arguments("FROM")]
    assert images[0].startswith("swift:6.3")
    assert images[-1].endswith("-slim")
    assert not any(name.endswith("-dev") for name in packages(RUNTIME))


@pytest.mark.parametrize("package", sorted(packages()))
def test_each_package_exists(package):
    done = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True)
    assert f"Package: {package}\n" in done.stdout


def test_the_runtime_has_every_library_that_the_program_is_linked_with():
    if SANITIZED:
        pytest.skip("the sanitizer's build is linked otherwise")
    linked = subprocess.run(["ldd", APUS], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"=> (/\S+)", linked)
    assert libraries
    # What every Debian image has: `libc6`, and what `libstdc++6` brings along.
    given = packages(RUNTIME) | {"libc6", "libgcc-s1"}
    for library in libraries:
        real = subprocess.run(["realpath", library], capture_output=True, text=True, check=True).stdout.strip()
        candidates = {library, real, library.removeprefix("/usr"), real.removeprefix("/usr"), "/usr" + library}
        owner = None
        for candidate in candidates:
            done = subprocess.run(["dpkg-query", "--search", candidate], capture_output=True, text=True)
            if done.returncode == 0:
                owner = done.stdout.split(":")[0]
        assert owner in given, f"{library} is of {owner}, which the image does not install"


def test_each_copied_path_exists_and_is_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    built = {"/apus/.build/release/apus", "/apus/.cache/onnxruntime/lib"}
    for copy in arguments("COPY"):
        words = copy.split()
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in {from_.split()[-1] for from_ in arguments("FROM")}
            assert words[1] in built
            assert (ROOT / words[1].removeprefix("/apus/")).exists()
            continue
        for path in words[:-1]:
            assert (ROOT / path).exists(), path
            assert path.split("/")[0] in kept, f".dockerignore keeps {path} out"


def test_each_tool_that_it_runs_was_copied_and_is_executable():
    copied = {word for copy in arguments("COPY") for word in copy.split()}
    for run in arguments("RUN"):
        for tool in re.findall(r"\bTools/[\w-]+", run):
            assert tool in copied
            assert (ROOT / tool).stat().st_mode & 0o111
    # And what those tools call in their turn.
    for tool in re.findall(r"(?<=\()Tools/[\w-]+", (ROOT / "Tools/fetch-onnxruntime").read_text()):
        assert tool in copied


def test_each_product_that_it_builds_exists():
    manifest = (ROOT / "Package.swift").read_text()
    for product in re.findall(r"--product (\S+)", " ".join(arguments("RUN"))):
        assert f'.executable(name: "{product}"' in manifest


def test_it_runs_as_a_user_without_privileges():
    user, = arguments("USER", RUNTIME)
    assert user not in ("root", "0")
    assert f"useradd --system --uid 10001 --no-create-home {user}" in " ".join(arguments("RUN", RUNTIME))


def test_it_is_stopped_by_the_signal_on_which_the_server_drains():
    assert signal.Signals[arguments("STOPSIGNAL", RUNTIME)[0]] == signal.SIGTERM


def test_its_commands_are_the_program_s():
    entry, = arguments("ENTRYPOINT", RUNTIME)
    assert json.loads(entry) == ["apus"]
    command = json.loads(arguments("CMD", RUNTIME)[0])
    health = json.loads(arguments("HEALTHCHECK", RUNTIME)[0].split("CMD", 1)[1])
    assert health[0] == "apus"
    for subcommand, *rest in (command, health[1:]):
        for option in [word for word in rest if word.startswith("--")]:
            assert has_option([subcommand], option), f"apus {subcommand} has no {option}"
        assert has_option([], subcommand)


def test_the_runtime_library_is_where_the_program_looks_for_it():
    variable, folder = arguments("ENV", RUNTIME)[0].split("=")
    assert folder == "/usr/local/lib/apus"
    assert f'"{variable}"' in "".join(path.read_text() for path in (ROOT / "Sources/ONNXBackend").glob("*.swift"))
    assert list((CACHE / "onnxruntime/lib").glob("libonnxruntime.so*"))


def test_the_port_is_the_server_s_default():
    port, = arguments("EXPOSE", RUNTIME)
    done = subprocess.run([APUS, "serve", "--help"], env=environment(), capture_output=True, text=True, check=True)
    assert port in done.stdout
