"""Production on AWS as code: templates, parameters, and the gate on them."""
