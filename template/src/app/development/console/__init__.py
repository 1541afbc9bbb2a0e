"""The console: what happens in the application, in a browser, beside `app dev`.

What it needs is installed for development only.
"""
