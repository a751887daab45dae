"""Drive our server with openpi's own client, installed from the registry into an environment of its own.

    python scripts/check_openpi.py [CHECKPOINT]

openpi-client asks for NumPy 1, and so for Python 3.11 or 3.12: it cannot live beside us. The script makes
`.venv/openpi` if need be, serves the checkpoint with ``sayso serve``, lets the other interpreter ask it (this
same file, without any import of ours), and stops the server with SIGTERM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OTHER = ROOT / ".venv" / "openpi"
TOKEN = "only-for-this-check"


def main(checkpoint: str) -> int:
    """Serve, let openpi's client ask, stop; return 0 if all of it went well."""
    python = other_python()
    environment = os.environ | {"SAYSO_TOKEN": TOKEN}
    serve = [sys.executable, "-m", "sayso", "serve", checkpoint, "--port", "0"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if "ws://" not in line:
            return server.wait() or 1
        url = next(word for word in line.split() if word.startswith("ws://")).rstrip(";")
        subprocess.run([python, __file__, "--ask", url], check=True, env=environment)
    finally:
        server.send_signal(signal.SIGTERM)
        ended = server.wait(timeout=60)
    print(f"openpi: the server ended with {ended}")
    return ended


def other_python() -> Path:
    """Return the interpreter of the environment that has openpi-client, made if it is not there yet."""
    python = OTHER / "bin" / "python"
    if not python.exists():
        find = [ROOT / "scripts" / "python.sh", "3.11", "3.12"]
        found = subprocess.run(find, env=os.environ | {"PYTHON": ""}, stdout=subprocess.PIPE, text=True)
        if found.returncode:
            sys.exit(found.returncode)
        subprocess.run([found.stdout.strip(), "-m", "venv", OTHER], check=True)
        # The client imports typing_extensions and does not ask for it.
        wanted = ["openpi-client==0.1.2", "typing_extensions"]
        install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wanted]
        subprocess.run(install, check=True)
    return python


def ask(url: str) -> None:
    """Be openpi's client: look, look again, make a mistake, and take a chunk apart action by action."""
    import numpy as np
    from openpi_client.action_chunk_broker import ActionChunkBroker
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    client = WebsocketClientPolicy(url, api_key=os.environ["SAYSO_TOKEN"])
    told = client.get_server_metadata()
    features, chunk = told["features"], told["chunk"]
    seen: dict[str, Any] = {
        f"observation/images/{camera}": np.zeros((*size, 3), np.uint8)
        for camera, size in features["cameras"].items()
    }
    seen |= {"observation/state": np.zeros(len(features["state"])), "prompt": "put the red block in the tray"}
    answer = client.infer(seen)
    assert answer["actions"].shape == (chunk, len(features["action"])), answer["actions"].shape
    assert np.isfinite(answer["actions"]).all()
    assert answer["server_timing"]["infer_ms"] >= answer["policy_timing"]["infer_ms"] > 0
    assert client.infer(seen)["server_timing"]["prev_total_ms"] > 0

    refusal = ""
    try:
        client.infer({"prompt": "put the red block in the tray"})
    except RuntimeError as error:
        refusal = str(error)
    assert "the policy needs observation.images." in refusal, refusal

    broker = ActionChunkBroker(client, action_horizon=chunk)
    one_by_one = np.stack([broker.infer({**seen, "reset": True})["actions"] for _ in range(chunk)])
    whole = client.infer({**seen, "reset": True})["actions"]
    assert np.array_equal(one_by_one, whole), np.abs(one_by_one - whole).max()
    print(f"openpi: {told['policy']} answered openpi-client with chunks {whole.shape} of {whole.dtype}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        ask(sys.argv[2])
    else:
        sys.exit(main(*sys.argv[1:2] or ["checkpoints/tabletop"]))
