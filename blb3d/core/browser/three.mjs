/* What the viewer needs of three.js, and nothing else: `make viewer` bundles it into one file that pages load. */
export {
  Box3, BufferGeometry, DirectionalLight, EdgesGeometry, Float32BufferAttribute, HemisphereLight, LineBasicMaterial,
  LineSegments, PerspectiveCamera, Scene, Sphere, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
