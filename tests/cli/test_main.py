import subprocess
import sys

from tests.cli.running import run


def test_python_m_halfopen_is_the_command() -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("halfopen ")


def test_without_click_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['click'] = None; from halfopen.cli.main import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    assert result.stderr == "halfopen: the command line needs click and rich: install 'halfopen[cli]'\n"
