import { render } from "preact";

render(<h1>senet</h1>, document.getElementById("app")!);
