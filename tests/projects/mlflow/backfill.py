"""Gives traces of before version 3 the id that their client would have sent, so that one query finds old and new."""

from alembook.backfills import SQL, Backfill

backfill = Backfill(
    name="client_request_ids",
    after="cbc13b556ace",  # adds trace_info.client_request_id
    table="trace_info",
    key=("request_id",),
    pending="client_request_id IS NULL",
    apply=SQL("""
        UPDATE trace_info t
        SET client_request_id = t.request_id
        FROM batch
        WHERE t.request_id = batch.request_id
    """),
)
