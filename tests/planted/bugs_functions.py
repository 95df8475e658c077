"""Bugs in receiver, transport, handlers and in what a service's error means.

Not here, because no run can tell them from the right code: a time-out read as a refusal where the caller comes
again in either case.
"""

from __future__ import annotations

from planting import Bug

RECEIVER, ROLES, WORK = "clef_runtime/receiver.py", "clef_runtime/serverless/roles.py", "clef_runtime/unit_of_work.py"
SQS, HTTP, BATCHES = (f"clef_runtime/transport/{name}.py" for name in ("sqs", "http", "batches"))
HANDLER, SERVICE = "clef_runtime/serverless/lambda_handler.py", "clef_runtime/serverless/service.py"
AWS, RETRY, WEB = "clef_runtime/aws.py", "clef_runtime/retry.py", "clef_runtime/web.py"

BUGS = (
    Bug(
        name="redelivery-runs-again",
        file=RECEIVER,
        old="        if earlier is not None:\n            return earlier\n",
        new="",
        runs=("suite/fanout-recorded.yaml",),
        checker="effects",
        words=("ran twice", "receiver.py"),
    ),
    Bug(
        name="own-completion-for-recorded",
        file=RECEIVER,
        old="            return completion if new else self._on_record(completion, log)\n        raise Throttled(",
        new="            return completion\n        raise Throttled(",
        runs=("hazards/8-redelivered-invocation.yaml lease",),
        checker="causality",
        words=("receiver.py",),
    ),
    Bug(
        name="conflict-swallowed",
        file=RECEIVER,
        old="            except Conflict:\n                continue\n",
        new="            except Conflict:\n                return completion\n",
        runs=("suite/orders-hot.yaml event-driven",),
        checker="causality",
        words=("not on record", "receiver.py"),
    ),
    Bug(
        name="exception-lost",
        file=RECEIVER,
        old="        except Exception as error:\n",
        new="        except ZeroDivisionError as error:\n",
        runs=("suite/fanout-broken-action.yaml event-driven",),
        checker="no_lost_firing",
        words=("receiver.py",),
    ),
    Bug(
        name="refusal-read-as-variant",
        file=RECEIVER,
        old="        except ClefError:\n            raise  #",
        new='        except ClefError as error:\n            return Outcome("error", {"message": str(error)})  #',
        runs=("hazards/10-whole-batch-retry.yaml lease",),
        checker="causality",
        words=("receiver.py",),
    ),
    Bug(
        name="version-not-checked",
        file=WORK,
        old="decode_row(text), self._versions.get(place))",
        new="decode_row(text), None)",
        runs=("suite/orders-hot.yaml event-driven",),
        checker="effects",
        words=("unit_of_work.py",),
    ),
    Bug(
        name="publish-dropped",
        file=ROLES,
        old="        for completion in completions:\n            self._publisher.publish(completion)\n",
        new="        for completion in completions[1:]:\n            self._publisher.publish(completion)\n",
        runs=("suite/orders-steady.yaml event-driven",),
        checker="no_lost_firing",
        words=("never handed to an engine", "serverless/"),
    ),
    Bug(
        name="invoked-not-evaluated",
        file=ROLES,
        old="        self._engine.evaluate(completions)\n        return []\n",
        new="        return []\n",
        runs=("suite/orders-steady.yaml per-request",),
        checker="no_lost_firing",
        words=("never handed to an engine", "serverless/"),
    ),
    Bug(
        name="batch-stops-at-failure",
        file=ROLES,
        old="            except ClefError as error:\n                ended.append(error)\n            else:",
        new="            except ClefError:\n                ended.append(None)\n            else:",
        runs=("hazards/10-whole-batch-retry.yaml lease",),
        checker="no_lost_firing",
        words=("batch answers",),
    ),
    Bug(
        name="failed-entries-ignored",
        file=SQS,
        old="            if not failed:\n                return\n",
        new="            return\n",
        runs=("suite/fanout-partly-sent.yaml",),
        checker="no_lost_firing",
        words=("transport/",),
    ),
    Bug(
        name="eleventh-message-dropped",
        file=BATCHES,
        old="            batch, filled = [], 0\n        batch.append",
        new="            batch, filled = [], 0\n            continue\n        batch.append",
        runs=("hazards/10-whole-batch-retry.yaml lease",),
        checker="no_lost_firing",
        words=("transport/",),
    ),
    Bug(
        name="timeout-read-as-success",
        file=HTTP,
        old='        answer = self._client.post(url, content=body, headers={"content-type": "application/json"})\n',
        new="        try:\n"
        '            answer = self._client.post(url, content=body, headers={"content-type": "application/json"})\n'
        "        except httpx.TransportError:\n            return []\n",
        runs=("suite/orders-calls-unheard.yaml per-request",),
        checker="no_lost_firing",
        words=("transport/",),
    ),
    Bug(
        name="5xx-read-as-success",
        file=HTTP,
        old="            raise _refusal(url, answer)\n",
        new="            return []\n",
        runs=("hazards/4-partial-dispatch-http.yaml lease",),
        checker="no_lost_firing",
        words=("transport/",),
    ),
    Bug(
        name="first-function-only",
        file=HTTP,
        old="        for url, batch in calls:\n",
        new="        for url, batch in calls[:1]:\n",
        runs=("suite/orders-steady.yaml per-request",),
        checker="no_lost_firing",
        words=("transport/",),
    ),
    Bug(
        name="no-batch-item-failures",
        file=HANDLER,
        old='{"batchItemFailures": [{"itemIdentifier": message} for message in failed]}',
        new='{"batchItemFailures": []}',
        runs=("suite/orders-queue-throttled.yaml",),
        checker="no_lost_firing",
        words=("batch answers",),
    ),
    Bug(
        name="whole-batch-failure-unsaid",
        file=HANDLER,
        old="        if not partial:\n            raise first\n",
        new="",
        runs=("hazards/10-whole-batch-retry.yaml lease",),
        checker="no_lost_firing",
        words=("batch answers",),
    ),
    Bug(
        name="lost-answer-read-as-refusal",
        file=SERVICE,
        old="    (Indeterminate, 503),\n",
        new="    (Indeterminate, 400),\n",
        runs=("suite/orders-answers-lost.yaml event-driven",),
        checker="no_lost_firing",
        words=("serverless/",),
    ),
    Bug(
        name="held-read-as-refusal",
        file=SERVICE,
        old="    (Held, 503),\n",
        new="    (Held, 200),\n",
        runs=("hazards/1-crash-after-acquire.yaml lease and per-request",),
        checker="no_lost_firing",
        words=("serverless/",),
    ),
    Bug(
        name="throttle-swallowed",
        file=RETRY,
        old="                if not repeat:\n",
        new="                if not repeat and error.definite and error.retryable:\n                    return {}\n"
        "                if not repeat:\n",
        runs=("hazards/5-contention.yaml lease",),
        checker="no_lost_firing",
        words=("retry.py",),
    ),
    Bug(
        name="transaction-conflict-read-as-condition",
        file=AWS,
        old="    if code in _THROTTLED:\n",
        new='    if code.startswith("TransactionConflict"):\n        return ConditionFailed(words, [{}])\n'
        "    if code in _THROTTLED:\n",
        runs=("hazards/5-contention.yaml once",),
        checker="no_lost_firing",
        words=("guard/",),
    ),
    Bug(
        name="timeout-read-as-refusal",
        file=AWS,
        old="    if isinstance(error, HTTPClientError | ConnectionError | ResponseParserError):\n",
        new="    if isinstance(error, ResponseParserError):\n",
        runs=("hazards/5-lost-answer.yaml lease and event-driven",),
        checker="causality",
        words=("aws.py",),
    ),
    Bug(
        name="flow-id-drawn",
        file=WEB,
        old='    flow = derive_id("flow", request_id)\n',
        new='    flow = derive_id("flow", request_id, timestamp)\n',
        runs=("suite/orders-steady.yaml event-driven",),
        checker="causality",
        words=("web.py",),
    ),
)
