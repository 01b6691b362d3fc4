"""What the documents say, compared with the program and the repository."""

import re
import subprocess
import textwrap

import pytest

from server import APUS, ROOT, environment

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def options_of(command):
    # `load` alone stands for `load run`, and lists the subcommands.
    words = ["load", "run"] if command == "load" else [command]
    done = subprocess.run([APUS, *words, "--help"], env=environment(), capture_output=True, text=True, check=True)
    # The lines that begin with an option, not those of the examples.
    listed = re.findall(r"^ +(?:-\w, )?(--[a-z][a-z0-9-]*(?:/--[a-z-]+)?) *(?:<|  |$)", done.stdout, re.MULTILINE)
    return {option for options in listed for option in options.split("/")}


def test_every_option_of_serve_is_in_the_configuration_and_no_other():
    text = (ROOT / "docs/configuration.md").read_text()
    listed = set()
    for cell in re.findall(r"^\| `(--[^` ]+)", text, re.MULTILINE):
        listed |= {cell.replace("[no-]", ""), cell.replace("[no-]", "no-")} if "[no-]" in cell else {cell}
    assert listed == options_of("serve") - {"--help", "--version", "--config"}


def test_every_option_of_load_is_in_its_page_and_no_other():
    text = (ROOT / "docs/load-testing.md").read_text()
    listed = {option for row in re.findall(r"^\| (`--.*?) \|", text, re.MULTILINE) for option in re.findall(r"`(--[\w-]+)", row)}
    shared = {"--help", "--server", "--tls", "--ca", "--certificate", "--key", "--timeout"}
    assert listed == options_of("load") - shared
    assert all(f"`{option}`" in text for option in shared - {"--help"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_block_of_shell_exists(document):
    for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL):
        for word in re.findall(r"(?:Tools|\.build/release)/[\w-]+", block):
            assert (ROOT / word).exists(), word
        for command, rest in re.findall(r"\.build/release/apus (\w+)(.*)", block):
            assert set(re.findall(r"--[\w-]+", rest)) <= options_of(command)


def test_every_test_that_the_comparison_names_is_there():
    named = set(re.findall(r"`(\w+/[\w/]+\.(?:swift|py))`", (ROOT / "docs/azure-ml.md").read_text()))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / "Tests" / name).exists()] == []


def test_every_module_is_in_the_architecture():
    text = (ROOT / "docs/architecture.md").read_text()
    for folder in (ROOT / "Sources").iterdir():
        if folder.name != "InteropServer":  # a program for tests
            assert f"`{folder.name}`" in text, folder.name


def test_the_client_library_s_articles_show_code_that_is_compiled():
    marked = re.compile(r"^ *// snippet\.(?!end)\w+\n(.*?)^ *// snippet\.end$", re.MULTILINE | re.DOTALL)
    compiled = {
        textwrap.dedent(code) for path in (ROOT / "examples/ClientGuide").glob("*.swift")
        for code in marked.findall(path.read_text())}
    shown = {
        code for path in (ROOT / "Sources/ApusClient/ApusClient.docc").glob("*.md")
        for code in re.findall(r"```swift\n(.*?)```", path.read_text(), re.DOTALL)}
    assert shown == compiled
