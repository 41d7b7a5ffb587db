"""Runs the functions of an Azure Functions v2 app as the real host does: HTTP, Service Bus and timers.

What the real host does is read from its public source (`Azure/azure-functions-host`,
`Azure/azure-webjobs-sdk-extensions`) and from `azure-functions-runtime`; each module names its sources.
Triggers of other kinds are indexed and listed, and not run.
"""
