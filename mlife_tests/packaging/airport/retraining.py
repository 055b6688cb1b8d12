"""Run by the interpreter of the foreign project: waits until a retraining of a day has ended, prints how, as JSON."""

import json
import sys
import time

import dagster as dg

SECONDS_MAXIMUM = 400

if __name__ == "__main__":
    asked = dg.RunsFilter(job_name="late_flights_retraining_job", tags={"dagster/partition": sys.argv[1]})
    started = time.monotonic()
    with dg.DagsterInstance.get() as instance:
        while True:
            runs = [run for run in instance.get_runs(filters=asked) if run.is_finished]
            if runs or time.monotonic() - started > SECONDS_MAXIMUM:
                break
            time.sleep(1)
    print(json.dumps([{"status": run.status.value, "sensor": run.tags.get("dagster/sensor_name")} for run in runs]))
