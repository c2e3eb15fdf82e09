"""The database, the broker and the processes of one machine, run by ourselves.

Standard library only: the supervisor stays small because it never imports Django, and
`make run` can start servers before anything of the app is configured.
"""
