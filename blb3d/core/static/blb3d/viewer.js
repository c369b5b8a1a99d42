/* A model to look at from all sides, in place of its picture. Loaded only when a page shows one; see portal.js.
   The mesh is binary glTF with its coordinates as in the customer's file: millimetres, Z up. Nothing is drawn while nothing moves. */

const GRID_MM = 10;
const WIDE_GRID_MM = 50;
/* Edges sharper than this many degrees are drawn, where the model is small enough to look for them. */
const SHARP = 30;
const MOST_EDGED_TRIANGLES = 60_000;

/* From the right, a little from above: the side on which the sizes are written. */
const FROM = [0.62, -1, 0.62];

/** Show the mesh of `figure` (data-mesh, data-three, data-color, data-bed) inside it; rejects where that is not possible. */
export async function show(figure) {
  const three = await import(figure.dataset.three);
  const canvas = document.createElement("canvas");
  const renderer = new three.WebGLRenderer({ canvas, antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  const view = new View(three, figure, renderer);
  await view.load(figure.dataset.mesh);

  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", figure.dataset.label);
  figure.querySelector(".viewer__stage").append(canvas);
  view.start();
  figure.classList.add("viewer--live");
  return view;
}

class View {
  constructor(three, figure, renderer) {
    Object.assign(this, { three, figure, renderer, canvas: renderer.domElement, labels: [], ownColors: new Map(), edgeLine: null });
    this.scene = new three.Scene();
    this.camera = new three.PerspectiveCamera(32, 1, 0.1, 10_000);
    this.camera.up.set(0, 0, 1);
    const key = new three.DirectionalLight(0xffffff, 2.4);
    key.position.set(-0.6, 0.9, 0.8);
    this.camera.add(key);
    const sky = new three.HemisphereLight(0xffffff, 0x6a7480, 1.3);
    sky.position.set(0, 0, 1);
    this.scene.add(this.camera, sky);
  }

  async load(address) {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`the mesh answered ${answer.status}`);
    const model = (await new this.three.GLTFLoader().parseAsync(await answer.arrayBuffer(), "")).scene;
    this.clear();
    this.model = model;
    this.box = new this.three.Box3().setFromObject(model);
    if (this.box.isEmpty()) throw new Error("the mesh is empty");
    const meshes = [];
    model.traverse((part) => part.isMesh && meshes.push(part));
    for (const { material } of meshes) {
      material.side = 2; /* an open mesh shows its inside too */
      material.metalness = 0;
      material.roughness = 0.72;
      Object.assign(material, { polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
      this.ownColors.set(material, material.color.clone());
    }
    this.addEdges(meshes);
    this.scene.add(model);
    this.addGrid();
    this.addSizes();
    this.paint(this.figure.dataset.color);
  }

  /** Show another mesh of the same quote. */
  async change(address) {
    await this.load(address);
    this.canvas.setAttribute("aria-label", this.figure.dataset.label);
    this.reset();
  }

  clear() {
    for (const old of [this.model, this.grid, this.sides]) {
      if (!old) continue;
      this.scene.remove(old);
      old.traverse((part) => {
        part.geometry?.dispose();
        part.material?.dispose();
      });
    }
    for (const { text } of this.labels) text.remove();
    this.labels = [];
    this.edgeLine = null;
    this.ownColors.clear();
  }

  /** Show everything in one colour ("1A1A1A"), or in the colours of the file. */
  paint(hex) {
    for (const [material, own] of this.ownColors) {
      if (hex) material.color.set(`#${hex}`);
      else material.color.copy(own);
    }
    if (this.edgeLine) {
      const [{ color }] = this.ownColors.keys();
      /* Light lines on a dark part, dark ones on a light part. */
      this.edgeLine.color.set(color.r + color.g + color.b < 0.6 ? 0xffffff : 0x000000);
    }
    this.draw();
  }

  /** Thin lines along sharp edges: a dark part is not a silhouette then. */
  addEdges(meshes) {
    const triangles = meshes.reduce((sum, { geometry }) => sum + (geometry.index || geometry.attributes.position).count / 3, 0);
    if (triangles > MOST_EDGED_TRIANGLES) return;
    this.edgeLine = new this.three.LineBasicMaterial({ transparent: true, opacity: 0.35 });
    for (const mesh of meshes) {
      mesh.add(new this.three.LineSegments(new this.three.EdgesGeometry(mesh.geometry, SHARP), this.edgeLine));
    }
  }

  /** The plate: a line each centimetre, a stronger one every five, never smaller than the model. */
  addGrid() {
    const { min, max } = this.box;
    const least = Number(this.figure.dataset.bed) || 256;
    const half = Math.ceil(Math.max(least, (max.x - min.x) * 1.2, (max.y - min.y) * 1.2) / 2 / GRID_MM) * GRID_MM;
    const middle = { x: (min.x + max.x) / 2, y: (min.y + max.y) / 2 };
    const lines = { fine: [], wide: [] };
    for (let at = -half; at <= half; at += GRID_MM) {
      const rank = at % WIDE_GRID_MM === 0 ? lines.wide : lines.fine;
      rank.push(middle.x + at, middle.y - half, min.z, middle.x + at, middle.y + half, min.z);
      rank.push(middle.x - half, middle.y + at, min.z, middle.x + half, middle.y + at, min.z);
    }
    this.grid = this.lines(lines.fine, "--edge", 0.16);
    this.grid.add(this.lines(lines.wide, "--edge", 0.42));
    this.grid.position.z = -0.05;
    this.scene.add(this.grid);
  }

  /** Lines along the three sides, each with its length in mm beside it. */
  addSizes() {
    const { min, max } = this.box;
    const size = this.box.getSize(new this.three.Vector3());
    const gap = Math.max(size.x, size.y, size.z) * 0.07;
    const sides = [
      [[min.x, min.y - gap, min.z], [max.x, min.y - gap, min.z], size.x],
      [[max.x + gap, min.y, min.z], [max.x + gap, max.y, min.z], size.y],
      [[min.x - gap, min.y - gap, min.z], [min.x - gap, min.y - gap, max.z], size.z],
    ];
    this.sides = this.lines(sides.flatMap(([from, to]) => [...from, ...to]), "--text", 0.75);
    this.scene.add(this.sides);
    const outward = [[0, -1, 0], [1, 0, 0], [-1, -1, 0]];
    for (const [index, [from, to, length]] of sides.entries()) {
      const text = document.createElement("span");
      text.className = "viewer__size";
      text.textContent = `${length < 10 ? length.toFixed(1) : Math.round(length)} mm`;
      text.setAttribute("aria-hidden", "true");
      this.figure.querySelector(".viewer__stage").append(text);
      const middle = from.map((value, axis) => (value + to[axis]) / 2 + outward[index][axis] * gap);
      this.labels.push({ text, at: new this.three.Vector3(...middle) });
    }
  }

  lines(points, token, opacity) {
    const geometry = new this.three.BufferGeometry();
    geometry.setAttribute("position", new this.three.Float32BufferAttribute(points, 3));
    const color = getComputedStyle(this.figure).getPropertyValue(token).trim();
    return new this.three.LineSegments(
      geometry,
      new this.three.LineBasicMaterial({ color, transparent: true, opacity, depthWrite: false }),
    );
  }

  start() {
    this.controls = new this.three.OrbitControls(this.camera, this.canvas);
    this.controls.enablePan = false;
    /* The wheel scrolls the page until somebody has taken hold of the model. */
    this.controls.enableZoom = false;
    this.canvas.addEventListener("focus", () => (this.controls.enableZoom = true));
    this.canvas.addEventListener("blur", () => (this.controls.enableZoom = false));
    /* A finger that goes up or down scrolls the page; sideways it turns the model. */
    this.canvas.style.touchAction = "pan-y";
    this.controls.addEventListener("change", () => this.draw());
    this.canvas.addEventListener("webglcontextlost", () => this.figure.classList.remove("viewer--live"));
    this.canvas.addEventListener("keydown", (event) => this.turnByKey(event));
    new ResizeObserver(() => this.fit()).observe(this.canvas.parentElement);
    this.fit();
    this.reset();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  /** Look at the whole model again, from where one began. */
  reset() {
    const sphere = this.box.getBoundingSphere(new this.three.Sphere());
    const half = (this.camera.fov / 2) * (Math.PI / 180);
    const distance = (sphere.radius * 1.22) / Math.sin(Math.min(half, Math.atan(Math.tan(half) * this.camera.aspect)));
    this.controls.target.copy(sphere.center);
    this.camera.position
      .set(...FROM)
      .normalize()
      .multiplyScalar(distance)
      .add(sphere.center);
    this.camera.near = distance / 100;
    this.camera.far = distance * 10;
    this.camera.updateProjectionMatrix();
    this.controls.minDistance = sphere.radius * 0.4;
    this.controls.maxDistance = distance * 4;
    this.controls.update();
    this.draw();
  }

  /** Arrow keys turn it, plus and minus come closer, 0 goes back to the start. */
  turnByKey(event) {
    const step = Math.PI / 18;
    const offset = this.camera.position.clone().sub(this.controls.target);
    const upward = offset.angleTo(this.camera.up);
    const turns = {
      ArrowLeft: () => offset.applyAxisAngle(this.camera.up, -step),
      ArrowRight: () => offset.applyAxisAngle(this.camera.up, step),
      ArrowUp: () => this.tilt(offset, Math.max(upward - step, 0.02)),
      ArrowDown: () => this.tilt(offset, Math.min(upward + step, Math.PI - 0.02)),
      "+": () => offset.multiplyScalar(0.85),
      "-": () => offset.multiplyScalar(1.18),
    };
    if (event.key === "0") this.reset();
    else if (turns[event.key]) {
      turns[event.key]();
      this.camera.position.copy(this.controls.target).add(offset);
      this.controls.update();
    } else return;
    event.preventDefault();
  }

  tilt(offset, angle) {
    const flat = Math.hypot(offset.x, offset.y) || 1;
    const length = offset.length();
    const out = Math.sin(angle) * length;
    offset.set((offset.x / flat) * out, (offset.y / flat) * out, Math.cos(angle) * length);
  }

  draw() {
    if (!this.controls || this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.renderer.render(this.scene, this.camera);
      const { clientWidth: width, clientHeight: height } = this.canvas;
      for (const { text, at } of this.labels) {
        const seen = at.clone().project(this.camera);
        text.style.translate = `${((seen.x + 1) / 2) * width}px ${((1 - seen.y) / 2) * height}px`;
      }
    });
  }
}
