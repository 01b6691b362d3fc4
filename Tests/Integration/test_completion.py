"""What a shell offers when a command is half typed."""

import subprocess

import pytest

COMPLETE = """
COMP_LINE="$1" COMP_POINT=${#1} COMPREPLY=()
read -ra COMP_WORDS <<< "$1"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_apus apus "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("typed, offered", [
    ("apus onl", ["online-endpoint", "online-deployment"]), ("apus endpoint get-c", ["get-credentials"]),
    ("apus online-endpoint get-c", ["get-credentials"]), ("apus online-deployment create --all", ["--all-traffic"]),
    ("apus get-l", ["get-logs"])])
def test_bash_completes_commands_by_their_aliases_too(apus, tmp_path, typed, offered):
    script = tmp_path / "complete.sh"
    script.write_text(apus("--generate-completion-script", "bash").stdout + COMPLETE)
    done = subprocess.run(["bash", script, typed], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_the_aliases(apus, shell):
    script = apus("--generate-completion-script", shell).stdout
    assert script == apus(f"--generate-completion-script={shell}").stdout
    for alias in ("online-endpoint", "online-deployment"):
        assert script.count(alias) >= 3, alias
