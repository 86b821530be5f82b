"""The built-in service functions: one module each, named like its function.

Every public function that a module in here defines is offered in the browser as a form drawn from
its signature; `@service` gives it defaults and conditions. Your own go into a module or package
named in AEGIS_SERVICES, or in here. docs/services.md tells how to write one.
"""
