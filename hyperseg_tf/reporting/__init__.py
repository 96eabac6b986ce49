"""What training runs came to, as one page to be looked at: `reporting.report`."""
