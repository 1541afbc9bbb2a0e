"""The console: what happens in the application, in a browser, beside `app dev`.

It is no part of what is deployed: the wheel leaves this folder out, what it needs is installed for
development only, and nothing but `create_development_app` imports it.
"""
