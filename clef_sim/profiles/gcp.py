"""Google Cloud, one region (us-central1). Latencies are of a warm connection from inside the region.

`assumed` with BG is background knowledge without a stored source: replace it when somebody has measured it.
`(d)` after a source is derived from the sourced number. Firestore's figures are the weakest: one .NET client of 2019.
"""

from __future__ import annotations

from clef_sim.profiles import Profile, shared
from clef_sim.profiles.numbers import Distribution, LogNormal, Mixture, Number, Uniform

_LATENCIES: dict[str, Distribution] = {
    # get 24 ms, +-50% between runs; isolated reads over 1 s and up to 19 s, here cut where the client gives up (5 s)
    "firestore.BatchGetDocuments": Mixture(
        LogNormal(3.18, 0.5, "tomatwo", "L"), Uniform(1000.0, 4900.0, "fs-issues (d)", "M"), 0.001
    ),
    "firestore.RunQuery": Mixture(
        LogNormal(3.18, 0.5, "tomatwo (d): as a get", "L"), Uniform(1000.0, 4900.0, "fs-issues (d)", "M"), 0.001
    ),
    # set 57 ms; a failed precondition takes as long
    "firestore.Commit": LogNormal(4.04, 0.5, "tomatwo", "L"),
    # a transaction of one get and one write takes about their sum, 80 ms: its beginning and end are small beside it
    "firestore.BeginTransaction": LogNormal(1.6, 0.4, "fs851 (d)", "L"),
    "firestore.Rollback": LogNormal(1.6, 0.4, "fs851 (d)", "L"),
    # of some KB; larger ones take longer, which is not modelled
    "gcs.GetObject": LogNormal(3.4, 0.45, "assumed: 30 ms", "BG"),
    "gcs.InsertObject": LogNormal(4.09, 0.45, "assumed: 60 ms", "BG"),
    "gcs.DeleteObject": LogNormal(3.4, 0.45, "assumed: as GetObject", "BG"),
    "gcs.ListObjects": LogNormal(3.4, 0.45, "assumed: as GetObject", "BG"),
    # p50 6, p95 13 ms
    "pubsub.Publish": LogNormal(1.79, 0.47, "streambench", "M"),
    # for whoever pulls; the way from the publisher is in push.pull
    "pubsub.Pull": LogNormal(1.79, 0.47, "assumed: as Publish", "BG"),
    "pubsub.Acknowledge": LogNormal(1.79, 0.47, "assumed: as Publish", "BG"),
    "pubsub.ModifyAckDeadline": LogNormal(1.79, 0.47, "assumed: as Publish", "BG"),
    # receipt by the service to the subscriber's pull, up to 100/s: p50 54-78, p95 101-125, p99 645-709 ms
    "push.pull": Mixture(LogNormal(4.1, 0.28, "kevjames", "M"), Uniform(400.0, 900.0, "kevjames", "M"), 0.02),
    # the same in the first ten seconds of a topic: p50 4.4, p99 5.1 s
    "push.pull_fresh": LogNormal(8.39, 0.0635, "kevjames", "M"),
    # what a push adds to the figure of a pull, there and back
    "push.hop": LogNormal(3.0, 0.5, "ps-desc (d)", "L"),
    # warm request to a container platform as its client sees it, about 40 ms
    "http.function_url": LogNormal(3.5, 0.4, "newkids", "M"),
    # a function to the engine on Cloud Run: a hop as that of a push
    "http.service": LogNormal(3.0, 0.5, "ps-desc (d)", "L"),
    # Python on Cloud Run, 1 vCPU, 512 MiB, as its client sees it: 1-3 s; gen2 functions run there [gcf-cmp]
    "function.init": LogNormal(7.44, 0.25, "knmts", "L"),
    "function.init_bare": LogNormal(7.44, 0.25, "knmts", "L"),
    "function.placement": Uniform(0.0, 0.0, "knmts (d): in function.init", "L"),
    # an idle instance: "some", at most 15 min
    "function.keep_alive": Uniform(300_000.0, 900_000.0, "cr-auto (d)", "L"),
    "service.start": LogNormal(7.44, 0.25, "knmts", "L"),
}

_LIMITS: dict[str, Number] = {
    "client_cpu_128mb_ms": Number(30.0, "assumed: as on Lambda", "BG"),
    "client_cpu_256mb_ms": Number(10.0, "assumed: as on Lambda", "BG"),
    "client_cpu_512mb_ms": Number(1.0, "assumed: as on Lambda", "BG"),
    "client_read_timeout_s": Number(5.0, "assumed: the adapters' own, for each call", "BG"),
    "function.first_call_mb_ms": Number(45_000.0, "assumed: as on Lambda", "BG"),
    "function.first_call_floor_ms": Number(65.0, "assumed: as on Lambda", "BG"),
    # A gen2 function may take up to 1,000 requests at once; one, as here, is the default below one vCPU.
    "function.requests_per_instance": Number(1.0, "gcf-cmp (d)", "L"),
    "function.concurrency": Number(1000.0, "assumed: instances of a project's functions in a region", "BG"),
    # No request rate and no scale-up rate is documented: these never strike.
    "function.requests_per_s_and_concurrency": Number(1e6, "assumed: no limit is known", "BG"),
    "function.scale_up_per_s": Number(1e6, "assumed: no limit is known", "BG"),
    "function.scale_up_burst": Number(1e6, "assumed: no limit is known", "BG"),
    "function.timeout_max_s": Number(3600.0, "gcf-cmp", "H"),
    "firestore.lock_wait_s": Number(2.0, "assumed: measured on the emulator", "M"),
    "firestore.transaction_idle_s": Number(60.0, "fs-tx", "H"),
    "firestore.transaction_longest_s": Number(270.0, "fs-tx", "H"),
    "firestore.document_max_bytes": Number(2.0**20, "fs-qiita", "M"),
    "sql.max_connections": Number(400.0, "assumed: Cloud SQL's default from 7.5 to 15 GB of memory", "BG"),
    "pubsub.ack_deadline_s": Number(10.0, "ps-sub", "H"),
    "pubsub.ack_deadline_max_s": Number(600.0, "ps-sub", "H"),
    "pubsub.message_max_bytes": Number(1e7, "luci", "M"),
    "push.fresh_s": Number(10.0, "kevjames", "M"),
    "push.fresh_after_idle_s": Number(600.0, "assumed: after so long without a message a topic is fresh again", "BG"),
    # pushes at once: few at first, doubled with each round of successes
    "push.window_start": Number(3.0, "assumed", "BG"),
    "push.window_max": Number(1000.0, "assumed", "BG"),
    # the pause after a failed push where the subscription has no retry policy
    "push.backoff_first_s": Number(0.1, "assumed: recalled, push backoff", "BG"),
    "push.backoff_longest_s": Number(60.0, "assumed: recalled, push backoff", "BG"),
}

_PRICES: dict[str, Number] = {
    "cloud_run.request": Number(0.40e-6, "cr-price", "H"),
    "cloud_run.vcpu_s": Number(0.000024, "cr-price", "H"),
    "cloud_run.gib_s": Number(0.0000025, "cr-price", "H"),
    "cloud_run.always_on_vcpu_s": Number(0.000018, "cr-price", "H"),
    "cloud_run.always_on_gib_s": Number(0.000002, "assumed", "BG"),
    "function_gen1.request": Number(0.40e-6, "gcf-price", "H"),
    "function_gen1.gb_s": Number(0.0000025, "gcf-price", "H"),
    "function_gen1.ghz_s": Number(0.00001, "gcf-price", "H"),
    # regional; multi-region is twice as much
    "firestore.read": Number(0.03e-5, "fs-price", "M"),
    "firestore.write": Number(0.09e-5, "fs-price", "M"),
    "firestore.delete": Number(0.01e-5, "fs-price", "M"),
    "pubsub.tib": Number(40.0, "ps-price", "H"),  # at least 1,000 bytes a request, publish and delivery both
}

GCP = Profile("gcp", {**_LATENCIES, **shared.LATENCIES}, {**_LIMITS, **shared.LIMITS}, _PRICES)
