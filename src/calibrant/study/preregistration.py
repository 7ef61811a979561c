"""The pre-registration: what will be done with the data, written from the design before any."""
