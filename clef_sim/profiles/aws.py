"""AWS, one region (us-east-1). Latencies are of a warm connection from inside the region.

`assumed` with BG is background knowledge without a stored source: replace it when somebody has measured it.
`(d)` after a source is derived from the sourced number.
"""

from __future__ import annotations

from clef_sim.profiles import Profile, shared
from clef_sim.profiles.numbers import Distribution, LogNormal, Mixture, Number, Uniform

_LATENCIES: dict[str, Distribution] = {
    # p50 7.55, p99 16.2 ms, n=400
    "dynamodb.PutItem": LogNormal(2.02, 0.33, "debrie", "H"),
    # as PutItem: one conditional write of one item
    "dynamodb.UpdateItem": LogNormal(2.02, 0.33, "debrie (d)", "L"),
    "dynamodb.DeleteItem": LogNormal(2.02, 0.33, "debrie (d)", "L"),
    "dynamodb.GetItem": LogNormal(1.6, 0.35, "upstash (d)", "L"),
    "dynamodb.Query": LogNormal(1.9, 0.4, "upstash (d)", "L"),
    "dynamodb.Scan": LogNormal(1.9, 0.4, "upstash (d): as Query", "L"),
    "dynamodb.BatchGetItem": LogNormal(1.9, 0.4, "upstash (d): as Query", "L"),
    # 25 items: p50 10.2, p99 27.6 ms
    "dynamodb.BatchWriteItem": LogNormal(2.32, 0.43, "debrie", "H"),
    # 5 items: p50 25.3, p99 92.5 ms; a failed condition takes as long
    "dynamodb.TransactWriteItems": Mixture(
        LogNormal(3.22, 0.15, "debrie", "H"), LogNormal(4.4, 0.4, "debrie", "H"), 0.04
    ),
    "dynamodb.TransactGetItems": Mixture(
        LogNormal(3.22, 0.15, "debrie (d): as TransactWriteItems", "L"),
        LogNormal(4.4, 0.4, "debrie (d)", "L"),
        0.04,
    ),
    "dynamodb.CreateTable": LogNormal(3.9, 0.3, "assumed", "BG"),
    "dynamodb.DescribeTable": LogNormal(1.6, 0.35, "assumed: as GetItem", "BG"),
    "dynamodb.UpdateTimeToLive": LogNormal(2.02, 0.33, "assumed: as PutItem", "BG"),
    # first byte, 2019: p90 20 ms; AWS's own guidance is 100-200 ms
    "s3.GetObject": Mixture(LogNormal(2.6, 0.34, "s3bench", "M"), Uniform(100.0, 200.0, "s3bench (d)", "M"), 0.01),
    # of some KB; larger ones take longer, which is not modelled
    "s3.PutObject": LogNormal(3.3, 0.45, "assumed: 25-30 ms", "BG"),
    "s3.DeleteObject": LogNormal(3.3, 0.45, "assumed: as PutObject", "BG"),
    "s3.ListObjectsV2": LogNormal(3.3, 0.45, "assumed: as PutObject", "BG"),
    "s3.CreateBucket": LogNormal(3.9, 0.3, "assumed", "BG"),
    "sqs.SendMessage": LogNormal(2.1, 0.45, "assumed: near DynamoDB's PutItem, replicated before the answer", "BG"),
    "sqs.SendMessageBatch": LogNormal(2.3, 0.45, "assumed: near DynamoDB's BatchWriteItem", "BG"),
    "sqs.ReceiveMessage": LogNormal(2.0, 0.45, "assumed; a long poll's wait comes on top", "BG"),
    "sqs.DeleteMessage": LogNormal(1.8, 0.4, "assumed", "BG"),
    "sqs.DeleteMessageBatch": LogNormal(2.0, 0.4, "assumed", "BG"),
    "sqs.ChangeMessageVisibility": LogNormal(1.8, 0.4, "assumed: as DeleteMessage", "BG"),
    "sqs.ChangeMessageVisibilityBatch": LogNormal(2.0, 0.4, "assumed: as DeleteMessageBatch", "BG"),
    "sqs.CreateQueue": LogNormal(3.9, 0.3, "assumed", "BG"),
    "sqs.GetQueueUrl": LogNormal(1.8, 0.4, "assumed: as DeleteMessage", "BG"),
    "sqs.GetQueueAttributes": LogNormal(1.8, 0.4, "assumed: as DeleteMessage", "BG"),
    "sqs.SetQueueAttributes": LogNormal(1.8, 0.4, "assumed: as DeleteMessage", "BG"),
    "sqs.PurgeQueue": LogNormal(1.8, 0.4, "assumed: as DeleteMessage", "BG"),
    # synchronous invoke from inside the region, p50 10 ms
    "lambda.Invoke": LogNormal(2.3, 0.5, "assumed: recalled from Nightcore, 2021", "BG"),
    # what API Gateway or a Function URL puts before a function: 10-20 ms, wide fluctuation
    "http.function_url": LogNormal(2.65, 0.4, "frasca", "M"),
    "http.load_balancer": LogNormal(0.7, 0.5, "assumed: 1-5 ms", "BG"),
    # one hop inside the network, to the engine service: 0.5-2 ms
    "http.service": LogNormal(0.0, 0.5, "assumed: 0.5-2 ms", "BG"),
    # a message sent to its handler called, at an idle function: p50 16.2, p99 105 ms, n=1024
    "event_source.standard": LogNormal(1.44, 1.28, "bites", "H", shift_ms=12.0),
    # p50 28.1, p99 645 ms
    "event_source.fifo": Mixture(
        LogNormal(2.09, 1.25, "bites", "H", shift_ms=20.0), Uniform(300.0, 900.0, "bites", "H"), 0.02
    ),
    # Python 3.12-3.13 zip with the AWS SDK and a DynamoDB client; not scaled by memory [maxday]
    "function.init": LogNormal(6.17, 0.06, "cebert", "M"),
    # Python 3.13 zip, hello world: p50 92, p99 190 ms
    "function.init_bare": LogNormal(4.55, 0.20, "maxday", "H"),
    # client-seen delay of a cold call beyond INIT
    "function.placement": Uniform(100.0, 200.0, "sebs (d)", "M"),
    "service.start": Uniform(15_000.0, 40_000.0, "assumed: a container task's image pull and start", "BG"),
}

_LIMITS: dict[str, Number] = {
    # warm batch write and read in Python: 74 / 32 / 15 / 13 ms at 128 / 256 / 512 / >= 1024 MB
    "client_cpu_128mb_ms": Number(30.0, "cebert (d)", "M"),
    "client_cpu_256mb_ms": Number(10.0, "cebert (d)", "M"),
    "client_cpu_512mb_ms": Number(1.0, "cebert (d)", "M"),
    "client_read_timeout_s": Number(60.0, "botocore's default read_timeout", "H"),
    # first call after INIT: 355 / 170 / 100 / 70 ms at 128 / 256 / 512 / 1024 MB
    "function.first_call_mb_ms": Number(45_000.0, "cebert (d): c / memory", "M"),
    "function.first_call_floor_ms": Number(65.0, "cebert (d)", "M"),
    # alive(t) = N * 2^-floor(t / 380 s) over idle instances
    "function.keep_alive_halves_s": Number(380.0, "sebs", "H"),
    "function.concurrency": Number(1000.0, "lambda-q", "H"),
    # 10,000 requests/s at the default concurrency
    "function.requests_per_s_and_concurrency": Number(10.0, "lambda-scale (d)", "M"),
    # 1,000 instances per 10 s and function, continuous refill, no saving up
    "function.scale_up_per_s": Number(100.0, "lambda-scale (d)", "H"),
    "function.scale_up_burst": Number(1000.0, "lambda-scale", "H"),
    "function.timeout_max_s": Number(900.0, "lambda-inv", "H"),
    "function.payload_max_bytes": Number(6.0 * 2**20, "lambda-inv", "H"),
    "event_source.pollers_start": Number(5.0, "esm-scale", "H"),
    "event_source.pollers_per_minute": Number(300.0, "esm-scale", "H"),
    "event_source.pollers_max": Number(1250.0, "esm-1250", "H"),
    "event_source.pollers_reset_s": Number(60.0, "assumed: idle for so long, pollers start over", "BG"),
    "event_source.batch_size": Number(10.0, "esm-par", "H"),
    "event_source.batch_size_max": Number(10_000.0, "esm-par", "H"),
    "event_source.batch_size_max_fifo": Number(10.0, "esm-par", "H"),
    "event_source.window_max_s": Number(300.0, "assumed", "BG"),
    "event_source.maximum_concurrency_min": Number(2.0, "CloudFormation ScalingConfig", "H"),
    "event_source.throttle_pause_s": Number(1.0, "assumed: pause after a throttled invocation", "BG"),
    # least(memory of the instance / 9,531,392 bytes, 5,000), here of 4 GiB
    "sql.max_connections": Number(450.0, "aurora-conn (d)", "M"),
    "sqs.visibility_timeout_s": Number(30.0, "sqs-q", "H"),
    "sqs.visibility_timeout_max_s": Number(43_200.0, "sqs-q", "H"),
    "sqs.message_max_bytes": Number(262_144.0, "sqs-q", "H"),
    "sqs.batch_max": Number(10.0, "sqs-q", "H"),
    "sqs.retention_s": Number(345_600.0, "sqs-q", "H"),
    "sqs.in_flight_standard": Number(120_000.0, "educative", "M"),
    "sqs.in_flight_fifo": Number(20_000.0, "educative", "M"),
    "sqs.fifo_calls_per_s": Number(300.0, "sqs-fifo", "H"),
    "sqs.fifo_dedup_s": Number(300.0, "sqs-md", "H"),
    "sqs.duplicate_share": Number(1e-6, "sqs-dup", "L"),
    "dynamodb.partition_wru_per_s": Number(1000.0, "ddb-warm", "H"),
    "dynamodb.partition_rru_per_s": Number(3000.0, "ddb-warm", "H"),
    "dynamodb.item_max_bytes": Number(409_600.0, "tecracer", "H"),
    "dynamodb.transaction_max_items": Number(100.0, "ddb-tx", "H"),
    "dynamodb.transaction_max_bytes": Number(4.0 * 2**20, "ddb-tx", "H"),
    "dynamodb.transaction_token_s": Number(600.0, "ddb-tx", "H"),
    "dynamodb.ttl_late_max_s": Number(172_800.0, "ddb-ttl", "H"),
    # an eventual read after the own write: 99.5% current, else behind by an exponential lag
    "dynamodb.stale_share": Number(0.005, "debrie", "M"),
    "dynamodb.stale_mean_ms": Number(20.0, "debrie (d)", "M"),
}

_PRICES: dict[str, Number] = {
    "lambda.request": Number(0.20e-6, "lam-price", "M"),
    "lambda.gb_s": Number(0.0000166667, "lam-price", "M"),  # x86; INIT is billed since 2025-08-01 [init-bill]
    "lambda.gb_s_arm": Number(0.0000133334, "lam-price", "M"),
    "fargate.vcpu_h": Number(0.04048, "vantage", "H"),
    "fargate.gb_h": Number(0.004445, "vantage", "H"),
    "fargate.vcpu_h_arm": Number(0.03238, "vantage", "H"),
    "fargate.gb_h_arm": Number(0.00356, "vantage", "H"),
    "load_balancer.h": Number(0.0225, "assumed", "BG"),
    "load_balancer.lcu_h": Number(0.008, "elb", "M"),
    "api_gateway.http_request": Number(1.00e-6, "frasca", "M"),
    "api_gateway.rest_request": Number(3.50e-6, "frasca", "M"),
    "dynamodb.wru": Number(0.625e-6, "ddb-price", "M"),  # 1 KB; transactional twice
    "dynamodb.rru": Number(0.125e-6, "ddb-price", "M"),  # 4 KB; eventual half, transactional twice
    "sqs.request_standard": Number(0.40e-6, "sqs-price", "H"),  # each 64 KB is a request
    "sqs.request_fifo": Number(0.50e-6, "sqs-price", "H"),
}

AWS = Profile("aws", {**_LATENCIES, **shared.LATENCIES}, {**_LIMITS, **shared.LIMITS}, _PRICES)
