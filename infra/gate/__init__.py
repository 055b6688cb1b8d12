"""The gate before CloudFormation: what must hold in every environment, on templates rendered as they will be applied.

It is no part of the wheel: it judges files of this checkout, and whoever installs mlife as a library deploys by files
of their own. It imports the package where both must agree, which is the schema of events.
"""
