"""What every app's API stands on: errors, parsing, paging, limits, routes, idempotency, strict fields, versions."""
