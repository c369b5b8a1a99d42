"""Addresses of the floor pages, below ``/floor/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from production.floor import again, board, counting, machine, pictures, spools, work

#: A serial number or a name may hold a slash: what follows it is asked for first.
_AT = "printers/<path:key>/"
_SPOOL = "spools/<path:label>/"

urlpatterns: list[URLPattern] = [
    path("", board.board, name="board"),
    path("again/", again.again, name="again"),
    path("wall/<str:token>/", board.wall, name="wall"),
    path("screens/", board.screens, name="screens"),
    path("screens/<int:pk>/revoke/", board.revoke, name="screen-revoke"),
    path("labels/printers.pdf", spools.printer_sheet, name="printer-labels"),
    path("labels/spools.pdf", spools.labels, name="spool-labels"),
    path("photos/<int:pk>/", pictures.job_photo, name="photo-image"),
    path("problems/<int:pk>/photo/", pictures.problem_photo, name="problem-photo"),
    path(f"{_AT}now/", machine.now, name="printer-now"),
    path(f"{_AT}jobs/<int:pk>/clear/", machine.clear, name="clear"),
    path(f"{_AT}jobs/<int:pk>/decide/", machine.decide, name="decide"),
    path(f"{_AT}jobs/<int:pk>/photo/", machine.photo, name="photo"),
    path(f"{_AT}jobs/<int:pk>/<str:what>/", machine.command, name="command"),
    path(f"{_AT}start/", machine.start, name="start"),
    path(f"{_AT}load/", machine.load, name="load"),
    path(f"{_AT}foreign/", machine.foreign, name="foreign"),
    path(f"{_AT}problems/", machine.report, name="report"),
    path(f"{_AT}problems/<int:pk>/resolve/", machine.resolve, name="resolve"),
    path(f"{_AT}in-service/", machine.in_service, name="in-service"),
    path(_AT, machine.machine, name="printer"),
    path("work/", work.centers, name="work"),
    path("work/<str:code>/", work.center, name="work-center"),
    path("work/<str:code>/now/", work.now, name="work-now"),
    path("work/<str:code>/<int:pk>/start/", work.start, name="work-start"),
    path("work/<str:code>/<int:pk>/report/", work.report, name="work-report"),
    path("counts/", counting.counts, name="counts"),
    path("counts/<str:count_number>/", counting.count, name="count"),
    path("counts/<str:count_number>/found/", counting.found, name="count-found"),
    path("counts/<str:count_number>/submit/", counting.submit, name="count-submit"),
    path("counts/<str:count_number>/<int:position>/", counting.line, name="count-line"),
    path("drying/", spools.drying, name="drying"),
    path("lots/<path:number>/", spools.lot, name="lot"),
    path("places/<path:code>/put/", spools.put, name="put"),
    path("places/<path:code>/", spools.place, name="place"),
    path("labels/spools/print/", spools.print_labels, name="print-spool-labels"),
    path("spools/", spools.spools, name="spools"),
    path(f"{_SPOOL}weigh/", spools.weigh, name="weigh"),
    path(f"{_SPOOL}move/", spools.move, name="move"),
    path(f"{_SPOOL}hang/", spools.hang, name="hang"),
    path(f"{_SPOOL}dry/", spools.dry, name="dry"),
    path(f"{_SPOOL}dried/", spools.dried, name="dried"),
    path(f"{_SPOOL}opened/", spools.opened, name="opened"),
    path(f"{_SPOOL}split/", spools.split, name="split"),
    path(f"{_SPOOL}merge/", spools.merge, name="merge"),
    path(_SPOOL, spools.spool, name="spool"),
]
