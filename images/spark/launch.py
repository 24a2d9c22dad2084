"""Entry point of the Spark container. Its arguments are Spark's (``driver …``, ``executor …``) or those of a step.

PySpark's wheel has no entry point for containers. A driver is spark-submit in client mode, whose application is this
file with ``--spec URI``; an executor is a JVM whose options are in the environment variables of its pod.
"""

import os
import runpy
import sys
from collections.abc import Mapping


def command(arguments: list[str], environment: Mapping[str, str]) -> list[str] | None:
    """Return the command line that replaces this process, or None to run the step in this process."""
    home = environment.get("SPARK_HOME", "/opt/spark")
    match arguments:
        case ["driver", *rest]:
            address = environment["SPARK_DRIVER_BIND_ADDRESS"]
            return [
                f"{home}/bin/spark-submit", "--conf", f"spark.driver.bindAddress={address}",
                "--conf", f"spark.executorEnv.SPARK_DRIVER_POD_IP={address}", "--deploy-mode", "client", *rest,
            ]  # fmt: skip
        case ["executor", *_]:
            options = {name: value for name, value in environment.items() if name.startswith("SPARK_JAVA_OPT_")}
            memory = environment["SPARK_EXECUTOR_MEMORY"]
            return [
                "java", *(value for _, value in sorted(options.items())), f"-Xms{memory}", f"-Xmx{memory}",
                "-cp", f"{home}/jars/*", "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
                "--driver-url", environment["SPARK_DRIVER_URL"], "--executor-id", environment["SPARK_EXECUTOR_ID"],
                "--cores", environment["SPARK_EXECUTOR_CORES"], "--app-id", environment["SPARK_APPLICATION_ID"],
                "--hostname", environment["SPARK_EXECUTOR_POD_IP"],
                "--resourceProfileId", environment["SPARK_RESOURCE_PROFILE_ID"],
                "--podName", environment["SPARK_EXECUTOR_POD_NAME"],
            ]  # fmt: skip
    return None


if __name__ == "__main__":
    program = command(sys.argv[1:], os.environ)
    if program is None:
        runpy.run_module("millrace_data", run_name="__main__", alter_sys=True)
    else:
        os.execvp(program[0], program)  # noqa: S606 - the program must receive this process's signals
