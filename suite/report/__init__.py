"""From records to points, tables, figures and the page."""
