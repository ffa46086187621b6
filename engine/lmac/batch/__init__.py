"""Many runs from one file: expanded, checked whole, carried out side by side, gone on with after any end."""
