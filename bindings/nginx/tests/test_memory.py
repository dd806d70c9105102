"""Under valgrind, in one process: no error, and nothing lost when it ends."""

import re
import shutil
import threading

import imagxp
from instance import MODULE, NGINX, SANITIZED, Nginx, wait_for
from servers import Manifests
from test_fetch import LOOPBACK, REQUESTS, sign
from world import BROWSER, World


def test_valgrind(tmp_path):
    assert shutil.which("valgrind")
    assert NGINX
    assert not SANITIZED, "valgrind and AddressSanitizer exclude each other"
    manifests = Manifests()
    world = World(tmp_path / "world", {**LOOPBACK, "provenance": {"origin": "HUMAN"}})
    world.agent = imagxp.Identity.generate(f"127.0.0.1:{manifests.port}", allow_loopback=True)
    document = world.agent.manifest().to_json()
    manifests.document = document if isinstance(document, bytes) else document.encode()
    world.write("key.pem", imagxp.PrivateKey.generate().to_pem())
    text = world.http(server=REQUESTS + f"imagxp_audit_log {{folder}}/audit.jsonl; imagxp_provenance_key {world.folder}/key.pem;")
    text = "\n".join(line for line in text.splitlines() if "imagxp_manifest_file" not in line)
    log = tmp_path / "valgrind"
    # nginx's own: eight bytes, once.
    (tmp_path / "known").write_text("{\n nginx\n Memcheck:Leak\n fun:malloc\n fun:ngx_alloc\n fun:ngx_set_environment\n}\n")
    wrapper = [
        "valgrind",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
        f"--suppressions={tmp_path}/known",
        f"--log-file={log}",
        "--error-exitcode=99",
    ]
    with Nginx(tmp_path / "nginx", text, master="off", wrapper=wrapper, module=MODULE) as nginx:
        assert nginx.get("/page", sign(world)).status == 200
        headers = sign(world, "/large")
        assert nginx.get("/large", headers).status == 200
        assert nginx.get("/large", headers).status == 409
        assert nginx.get("/closed/page", BROWSER).status == 401
        assert nginx.get("/.well-known/imagxp-policy.json").status == 200
        # One that waits when the process ends, and one that has gone away while it waited.
        stranger = imagxp.Identity.generate(f"localhost:{manifests.port}", allow_loopback=True)
        manifests.behave = manifests.stall
        waiting = threading.Thread(target=lambda: nginx.get("/page", sign(world, agent=stranger)))
        count = len(manifests.requests)
        waiting.start()
        wait_for(lambda: len(manifests.requests) > count, "the fetch")
        manifests.release.set()
        waiting.join()
    manifests.close()
    said = log.read_text()
    assert nginx.process.returncode == 0, said
    assert re.search(r"ERROR SUMMARY: 0 errors", said), said
