"""The dashboard as one self-contained HTML page: `page.render_dashboard(data.DashboardData(...))`."""
