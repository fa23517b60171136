"""What jupyter_client starts a forked kernel with: `kernel_provisioners` in pyproject.toml names it."""

from __future__ import annotations

from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from mock2pg.report.notebooks import kernels


class Forked(LocalProvisioner):
    """A kernel on this machine that is forked where LocalProvisioner starts a program."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        _, *arguments = cmd[cmd.index("-m") + 1 :]
        process = kernels.forked(arguments, kwargs["cwd"], kwargs["env"])
        self.process = process  # type: ignore[assignment]
        self.pid = self.pgid = process.pid  # type: ignore[assignment]
        return self.connection_info
