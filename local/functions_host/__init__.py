"""Serves the HTTP triggers of an Azure Functions v2 app as the real host does.

What the real host does is read from its public source (`Azure/azure-functions-host`,
`Azure/azure-webjobs-sdk-extensions`) and from `azure-functions-runtime`; each module names its sources.
Triggers of other kinds are indexed and listed, and not yet run.
"""
