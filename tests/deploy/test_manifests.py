# SPDX-License-Identifier: Apache-2.0
"""What is deployed: valid for Kubernetes, with the privileges that docs/SECURITY.md justifies."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from snoop_analysis.cli import cli as analyze
from snoop_capture.cli import cli as capture
from snoop_capture.confinement import NOBODY_IN_PARTICULAR
from tests.capture.pods import PRIVILEGES
from tests.capture.test_observed import DEFAULT_PORT as METRICS_PORT
from tests.capture.test_observed import LIVENESS

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
EXAMPLES = sorted(path.name for path in (KUBERNETES / "examples").iterdir())
OLDEST = "1.29"  # the first in which native sidecars are on
CAPABILITIES = sorted(name.removeprefix("CAP_") for name in PRIVILEGES)
COMMANDS: dict[str, click.Group] = {"snoop-capture": capture, "snoop-analyze": analyze}


def objects(directory: Path) -> Iterator[Object]:
    """The objects that a kustomization lists."""
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    assert kustomization.keys() == {"apiVersion", "kind", "resources"}
    for resource in kustomization["resources"]:
        path = directory / resource
        if path.is_dir():
            yield from objects(path)
        else:
            yield from yaml.safe_load_all(path.read_text())


def everything() -> list[Object]:
    return [thing for name in EXAMPLES for thing in objects(KUBERNETES / "examples" / name)]


def pod_specs(thing: Object) -> Iterator[Object]:
    """The pod specifications in an object."""
    if "containers" in thing:
        yield thing
    for value in thing.values():
        if isinstance(value, dict):
            yield from pod_specs(value)


PODS = [spec for thing in everything() for spec in pod_specs(thing)]
CONTAINERS = [
    (spec, container)
    for spec in PODS
    for container in itertools.chain(spec.get("initContainers", []), spec["containers"])
    if container["image"].startswith("snoop-")
]
RECORDERS = [(s, c) for s, c in CONTAINERS if c["image"].startswith("snoop-capture:")]


def names(cases: list[tuple[Object, Object]]) -> list[str]:
    return [f"{container['name']} {container['args'][0]}" for _, container in cases]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_objects_of_an_example_are_valid(example: str, version: str) -> None:
    things = list(objects(KUBERNETES / "examples" / example))
    assert things
    for thing in things:
        kubernetes_validate.validate(thing, version, strict=True)


def test_a_mistake_would_be_found() -> None:
    _, recorder = RECORDERS[0]
    broken = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [recorder | {"imag": "x"}]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, OLDEST, strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
@pytest.mark.parametrize("example", EXAMPLES)
def test_kustomize_builds_the_same(example: str) -> None:
    directory = KUBERNETES / "examples" / example
    command = ["kubectl", "kustomize", str(directory)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def key(thing: Object) -> tuple[str, str]:
        return thing["kind"], thing["metadata"]["name"]

    assert sorted(yaml.safe_load_all(built), key=key) == sorted(objects(directory), key=key)


def test_every_file_belongs_to_an_example() -> None:
    used = {f.resolve() for name in EXAMPLES for f in files(KUBERNETES / "examples" / name)}
    assert used == {path for path in KUBERNETES.rglob("*") if path.is_file()}


def files(directory: Path) -> Iterator[Path]:
    yield directory / "kustomization.yaml"
    for resource in yaml.safe_load((directory / "kustomization.yaml").read_text())["resources"]:
        path = directory / resource
        yield from files(path) if path.is_dir() else [path]


def mounted(spec: Object, container: Object, directory: Path) -> dict[str, Path]:
    """The files of a container's ConfigMaps, laid out in a directory, by their paths in it."""
    maps = {v["name"]: v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v}
    contents = {t["metadata"]["name"]: t["data"] for t in everything() if t["kind"] == "ConfigMap"}
    found = {}
    for mount in container["volumeMounts"]:
        for name, text in contents.get(maps.get(mount["name"], ""), {}).items():
            (directory / name).write_text(text)
            found[f"{mount['mountPath']}/{name}"] = directory / name
    return found


@pytest.mark.parametrize(("spec", "container"), CONTAINERS, ids=names(CONTAINERS))
def test_the_command_line_is_understood(spec: Object, container: Object, tmp_path: Path) -> None:
    program = COMMANDS[container["image"].partition(":")[0]]
    name, *arguments = container["args"]
    command = program.get_command(click.Context(program), name)
    assert command
    files = mounted(spec, container, tmp_path)
    arguments = [str(files.get(argument, argument)) for argument in arguments]
    # It raises what the user would see.
    params = command.make_context(name, list(arguments)).params
    known = {parameter.envvar for parameter in command.params} | {"POD_UID"}
    assert {variable["name"] for variable in container.get("env", [])} <= known
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts <= {volume["name"] for volume in spec["volumes"]}
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    said = [*container["args"], *map(str, filter(None, [params.get("output")]))]
    for path in said:
        if path.startswith("/"):
            assert any(path.startswith(mount) for mount in paths), path


@pytest.mark.parametrize(("spec", "container"), CONTAINERS, ids=names(CONTAINERS))
def test_no_container_of_ours_has_more_than_it_needs(spec: Object, container: Object) -> None:
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"]["drop"] == ["ALL"]
    assert not security.get("privileged")
    assert spec["automountServiceAccountToken"] is False
    assert not spec.get("hostNetwork")
    assert not spec.get("hostIPC")
    if container["name"] != "snoop-check":
        assert {"requests", "limits"} <= container["resources"].keys()
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("spec", "container"), RECORDERS, ids=names(RECORDERS))
def test_a_recorder_has_the_privileges_that_were_tested(spec: Object, container: Object) -> None:
    """Those of tests/capture/test_pod.py."""
    security = container["securityContext"]
    assert sorted(security["capabilities"]["add"]) == CAPABILITIES
    assert (security["runAsUser"], security["runAsGroup"]) == (0, 0)
    (tree,) = (mount for mount in container["volumeMounts"] if mount["name"] == "cgroups")
    assert tree == {"name": "cgroups", "mountPath": "/host/sys/fs/cgroup", "readOnly": True}
    (events,) = (mount for mount in container["volumeMounts"] if mount["name"] == "tracing")
    assert events == {"name": "tracing", "mountPath": "/sys/kernel/tracing", "readOnly": True}
    host = {volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
    assert host <= {"/sys/fs/cgroup", "/sys/kernel/tracing", "/var/lib/snoop"}
    if container["args"][0] == "pod":
        assert spec["securityContext"]["fsGroup"] == NOBODY_IN_PARTICULAR
        assert host == {"/sys/fs/cgroup", "/sys/kernel/tracing"}


def test_the_analysis_runs_as_nobody_in_particular() -> None:
    (spec,) = (s for s, c in CONTAINERS if c["image"].startswith("snoop-analyze:"))
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["fsGroup"] == NOBODY_IN_PARTICULAR
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any("hostPath" in volume for volume in spec["volumes"])


def test_the_account_may_get_pods_and_nothing_else() -> None:
    roles = [thing for thing in everything() if thing["kind"].endswith("Role")]
    assert roles
    for role in roles:
        assert role["kind"] == "Role"  # of one namespace, never of the cluster
        assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]


RECORDING = [(s, c) for s, c in RECORDERS if c["args"][0] != "check"]


@pytest.mark.parametrize(("spec", "container"), RECORDING, ids=names(RECORDING))
def test_probes_reach_the_recorder(spec: Object, container: Object, tmp_path: Path) -> None:
    """The kubelet asks from outside of the pod: the port is not on the loopback address alone."""
    name, *arguments = container["args"]
    files = mounted(spec, container, tmp_path)
    command = capture.commands[name]
    words = [str(files.get(argument, argument)) for argument in arguments]
    address = command.make_context(name, words).params["metrics_addr"]
    assert address.host == ""
    assert container["ports"] == [{"name": "metrics", "containerPort": address.port}]
    assert container["startupProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert container["livenessProbe"]["httpGet"] == {"path": LIVENESS, "port": "metrics"}
    # Whoever makes the recorder slow cannot have it started again at once, which loses events.
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 300


def test_a_sidecar_starts_before_the_application() -> None:
    sidecars = [c for s in PODS for c in s.get("initContainers", []) if c["args"][0] == "pod"]
    assert len(sidecars) == 2
    for sidecar in sidecars:
        assert sidecar["restartPolicy"] == "Always"
        assert sidecar["startupProbe"]["periodSeconds"] == 1
        # The application's pod is as ready as the application, whatever befalls the recorder.
        assert "readinessProbe" not in sidecar


def test_compose_gives_the_same_privileges() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    recorder = services["snoop"]
    assert recorder["cap_drop"] == ["ALL"]
    assert sorted(recorder["cap_add"]) == CAPABILITIES
    assert recorder["read_only"] is True
    assert recorder["security_opt"] == ["no-new-privileges:true"]
    assert recorder["network_mode"] == "none"
    assert not recorder.get("privileged")
    assert "/sys/fs/cgroup:/host/sys/fs/cgroup:ro" in recorder["volumes"]
    assert "/sys/kernel/tracing:/sys/kernel/tracing:ro" in recorder["volumes"]
    assert recorder["cgroup_parent"] == services["web"]["cgroup_parent"]
    name, *arguments = recorder["command"]
    capture.commands[name].make_context(name, arguments)


def test_the_image_is_built_from_what_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    instructions = re.sub(r"\\\n", " ", text)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", instructions, re.M):
        for name in source.split():
            assert (ROOT / name).exists(), name
    stages = re.split(r"^FROM ", instructions, flags=re.M)[1:]
    final = {stage.splitlines()[0].split()[-1]: stage for stage in stages}
    for name in ("capture", "analyze"):
        assert f"USER {NOBODY_IN_PARTICULAR}:{NOBODY_IN_PARTICULAR}" in final[name]
        assert f'ENTRYPOINT ["/opt/snoop/bin/snoop-{name}"]' in final[name]
    assert list(final)[-1] == "capture"  # the default
    assert f"EXPOSE {METRICS_PORT}" in final["capture"]
    assert "setcap cap_bpf,cap_perfmon+ep /opt/snoop/bin/snoop-loader" in final["capture"]
    assert "ENV PIP_CONSTRAINT=/source/constraints.txt" in final["build"]
    for install in re.findall(r"apt-get install (.*)", instructions):
        assert "--no-install-recommends" in install
